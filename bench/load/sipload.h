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
enum state { FREE, WAIT, INVITED, CONFIRMED };

struct options {
    bool calls;
    struct sockaddr_in to, listen;
    const char *from;
    int conns, window, body, users;
    double rate, secs, warm;
    pid_t pid;
    bool transparent; /* the system under test is no proxy: it copies bytes */
    const char *pki_a, *pki_b, *domain, *from_domain;
};
extern struct options opt;

struct tally {
    long started, done, failed, strays, b_requests, b_acks, lost_conns;
    long measured; /* done inside the measured window */
    struct hist latency;
    bool measuring;
};
extern struct tally tally;

struct slot { /* one transaction or call under way */
    enum state state;
    uint32_t gen, idx, tx, user;
    unsigned cseq;
    struct conn *c;
    uint64_t t0, sent;
    bool ringing;
    struct slot *next;
};

void log_bad(const char *why, const char *text, size_t n);
bool call_number(struct str call_id, uint64_t *ret);
void add_body(uint64_t id, const char *type);
bool body_ok(struct str body, uint64_t id);

/* side A */
void a_init(void);         /* slots, and connections: waits until they are up */
bool a_start(uint64_t t0); /* false: all slots are taken */
void a_reply(struct conn *c, const struct sip *m, const char *raw);
void a_up(struct conn *c);
void a_lost(struct conn *c);
void a_check_timers(uint64_t now);
int a_inflight(void);
bool a_alive(void);

/* side B */
void b_init(void);
void b_request(struct conn *c, const struct sip *m, const char *raw);
