/*
 * load/sipload.h - what the parts of the load share: it plays the partner's Edge (A, opens the connections)
 * and the next hop (B, listens) around a SIP edge, and checks every message that it gets back.
 */
#pragma once

#include "load/net.h"
#include "load/sip.h"
#include "load/stat.h"

enum { MAX_BODY = 8000, BODY_ID = 16 /* hex digits before the text */ };
enum role { A = 1, B };

struct options {
    const struct work *work;
    enum proto a_proto, b_proto;
    struct sockaddr_in to, listen;
    const char *from;
    int conns, window, body, users;
    int from_domains; /* 0: from_domain alone; else p00000.example and so on */
    double rate, secs, warm;
    long dialogs; /* memory: so many are set up and stay; 0: speed is measured */
    double hold;  /* seconds before memory is read */
    pid_t pid;
    bool transparent; /* the system under test is no proxy: it copies bytes */
    const char *pki_a, *pki_b, *domain, *from_domain, *password;
};
extern struct options opt;

struct tally {
    long started, done, failed, strays, b_requests, b_acks, lost_conns;
    long challenges;
    long measured; /* done inside the measured window */
    struct hist latency;
    bool measuring;
};
extern struct tally tally;

struct slot { /* one transaction, call or subscription under way */
    bool busy;
    uint32_t gen, idx, tx, user;
    unsigned cseq;
    const char *method; /* whose answer is awaited */
    struct conn *c;
    uint64_t t0, sent;
    bool ringing, notified, accepted, challenged;
    struct slot *next;
};

/* What is measured: a row of works[] (works.c). */
struct work {
    const char *name;
    void (*start)(struct slot *s);
    /* A final or provisional answer to s->method, whose Via and CSeq are right. */
    void (*reply)(struct slot *s, const struct sip *m, const char *raw);
    bool same_conn; /* a user always comes by the same connection */
};
const struct work *work_find(const char *name); /* NULL: none */
extern bool keep_dialogs;                       /* calls are not ended */

void log_bad(const char *why, const char *text, size_t n);
bool call_number(struct str call_id, uint64_t *ret);
void add_body(uint64_t id, const char *type);
bool body_ok(struct str body, uint64_t id);

/* side A */
uint64_t slot_id(const struct slot *s);
/* The message up to and with User-Agent, into `out`; dialog: the response that began it, or NULL. */
void a_request(struct slot *s, const char *method, const struct sip *dialog);
void a_contact(const struct slot *s);
void a_add_aor(const struct slot *s, const char *domain);
void a_transmit(struct slot *s); /* what `out` holds */
void a_latency(const struct slot *s);
void a_finish(struct slot *s);
void a_fail(struct slot *s, const char *why, const struct sip *m, const char *raw);
void a_notify(struct conn *c, const struct sip *m, const char *raw); /* NOTIFY came */
void a_init(void);         /* slots, and connections: waits until they are up */
bool a_start(uint64_t t0); /* false: all slots are taken */
void a_reply(struct conn *c, const struct sip *m, const char *raw);
struct slot *a_find(const struct sip *m);
void a_up(struct conn *c);
void a_lost(struct conn *c);
void a_check_timers(uint64_t now);
int a_inflight(void);
bool a_alive(void);

/* side B */
void b_init(void);
void b_request(struct conn *c, const struct sip *m, const char *raw);
void b_reply(const struct sip *m, const char *raw); /* to a NOTIFY of ours */
long b_unanswered(void);                            /* NOTIFYs without an answer so far */

/* works that need more than a table row */
void register_init(void);
/* Whose REGISTER is under way; NULL: it is not. */
struct slot *register_slot(uint64_t user);
void register_start(struct slot *s);
void register_reply(struct slot *s, const struct sip *m, const char *raw);
