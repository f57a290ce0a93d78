/*
 * element/record.h - what is told of each request when it is over: a line of the access log, and counts and
 * durations by partner and by pool.
 *
 * A shard counts what is its own, without locks; readers sum up. Partners and pools with series of their own
 * are bounded (ACCOUNT_MAX_…): the first ones that talk get them, all further ones share "other".
 */
#pragma once

#include "ground/log/journal.h"
#include "ground/log/metric.h"
#include "ground/loop/loop.h"
#include "wire/sip/msg.h"

enum {
    ACCOUNT_MAX_PARTNERS = 200,
    ACCOUNT_MAX_POOLS = 100,
    ACCOUNT_MAX_MONITORED = 100, /* beside these, so that there is room for them whoever talks first */
    ACCOUNT_MAX_SERIES = ACCOUNT_MAX_PARTNERS + ACCOUNT_MAX_MONITORED
};
enum account_kind { ACCOUNT_PARTNER, ACCOUNT_POOL, ACCOUNT_KINDS };
enum { STATUS_CLASSES = 7 }; /* 0: no final response was sent; 1 to 6 */

enum record_direction { RECORD_INSIDE, RECORD_INWARDS, RECORD_OUTWARDS, RECORD_DIRECTIONS };
const char *record_direction_name(enum record_direction d); /* "inside", "in", "out" */

/* What the service knows of a request; all slices live as long as the request. */
struct request_record {
    enum record_direction direction;
    struct slice partner; /* domain; empty: none is known */
    bool partner_counts;  /* listed, or proven: it may have series of its own */
    bool monitored;       /* always has series and a line in the access log */
    struct slice pool;    /* inside: where it goes or comes from; empty: not known */
    struct slice rule;    /* by which the partner is proven: "a", "b", "c" */
};

/* How much of users' names the access log tells. */
enum access_users { ACCESS_USERS_HASHED, ACCESS_USERS_WHOLE, ACCESS_USERS_NONE };
enum { ACCESS_SALT = 32 };
struct access_log {
    struct journal *journal; /* a reference of the config's; NULL: no access log */
    bool only_monitored;     /* nothing else has a line */
    enum access_users users;
    unsigned char salt[ACCESS_SALT]; /* of hashed names */
};

/* --- reading; from any thread --- */
struct account_sums {
    uint64_t by_class[STATUS_CLASSES];
    uint64_t refused;
    uint64_t dialogs_begun, dialogs_ended;
    uint64_t bytes_in, bytes_out;  /* requests as they came, final responses as they went */
    struct metric_spread server;   /* from the request to its final response */
    struct metric_spread upstream; /* from an attempt to its final response */
};
struct element;
typedef void account_seen(void *arg, const char *name,
                          const struct account_sums by_direction[RECORD_DIRECTIONS]);
void element_accounts(const struct element *e, enum account_kind kind, account_seen *seen, void *arg);

struct element_sums {
    uint64_t by_method[SIP_METHOD_OTHER + 1][STATUS_CLASSES];
    struct metric_spread server;
    uint64_t connections[2][2]; /* by side, inbound */
    uint64_t handshakes[2][2], handshakes_failed[2][2];
    uint64_t dialogs_begun, dialogs_ended; /* by INVITE with 2xx, by BYE with a final response */
    struct metric_spread lag;              /* of timers of the workers */
    struct loop_mail mail;                 /* of the workers' boxes */
};
void element_sum(const struct element *e, struct element_sums *ret);
