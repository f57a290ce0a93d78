#include "machine/siptxn/siptxn.h"

#include <stddef.h>

enum { INVITE_TRYING_MS = 200 }; /* RFC 3261 17.2.1 */

const struct siptxn_times siptxn_rfc_times = {
    .t1 = 500, .t2 = 4000, .t4 = 5000, .timer_b = 32000, .timer_f = 32000, .timer_d = 32000};

#define STATE_NAME(s) [SIPTXN_##s] = #s,
const char *siptxn_state_name(enum siptxn_state s)
{
    static const char *const names[SIPTXN_STATE_COUNT] = {SIPTXN_STATES(STATE_NAME)};
    return s < SIPTXN_STATE_COUNT ? names[s] : "";
}

/* --- the four machines as tables --- */

enum event {
    ON_1XX, /* client: came; server: the user sends it */
    ON_2XX,
    ON_FAILURE, /* 300..699 */
    ON_REQUEST, /* server: the request came again */
    ON_ACK,
    ON_UNDELIVERED, /* the transport failed */
    ON_RESEND,      /* A, E or G fired */
    ON_TIMEOUT,     /* B, F or H fired */
    ON_LINGER,      /* D, I, J, K, L or M fired */
    ON_TRYING,      /* 100 is due */
};

struct rule {
    enum siptxn_state in;
    enum event event;
    enum siptxn_state to; /* entering TERMINATED adds DO_END */
    unsigned actions;
};

/* Lengths of timers, in terms of struct siptxn_times. */
enum span { NEVER, T1, T4, T1_64, TIMER_B, TIMER_D, TIMER_F, TRYING_INVITE, TRYING_OTHER };

/* What runs from the entry into a state; what is not named here stops. */
struct timers {
    enum span resend, timeout, linger, trying;
    bool keep;              /* leave resend and timeout as they run */
    bool linger_unreliable; /* over a reliable transport the state ends as soon as it is entered */
    bool resend_at_t2;      /* the next interval is T2 whatever it was */
};

struct machine {
    enum siptxn_state first;
    bool resend_to_t2;
    const struct rule *rules;
    size_t n_rules;
    const struct timers *timers; /* by state */
};

#define RULES(kind) kind, sizeof(kind) / sizeof((kind)[0]), kind##_timers
#define RULE(in, on, to, actions)                                                                            \
    {                                                                                                        \
        SIPTXN_##in, ON_##on, SIPTXN_##to, actions                                                           \
    }
/* Short names for the tables below. */
enum {
    SEND = SIPTXN_DO_SEND,
    ACK = SIPTXN_DO_ACK,
    PASS = SIPTXN_DO_PASS,
    EXPIRED = SIPTXN_DO_TIMEOUT,
    SEND_100 = SIPTXN_DO_TRYING,
};

/* RFC 3261 17.1.1, RFC 6026 section 7.2. Timer B ends with the first provisional response: from there on the
 * proxy's timer C or the user decides. */
static const struct rule invite_client[] = {
    RULE(CALLING, 1XX, PROCEEDING, PASS),
    RULE(CALLING, 2XX, ACCEPTED, PASS),
    RULE(CALLING, FAILURE, COMPLETED, ACK | PASS),
    RULE(CALLING, RESEND, CALLING, SEND),
    RULE(CALLING, TIMEOUT, TERMINATED, EXPIRED),
    RULE(CALLING, UNDELIVERED, TERMINATED, 0),
    RULE(PROCEEDING, 1XX, PROCEEDING, PASS),
    RULE(PROCEEDING, 2XX, ACCEPTED, PASS),
    RULE(PROCEEDING, FAILURE, COMPLETED, ACK | PASS),
    RULE(ACCEPTED, 2XX, ACCEPTED, PASS),
    RULE(ACCEPTED, LINGER, TERMINATED, 0),
    RULE(COMPLETED, FAILURE, COMPLETED, ACK),
    RULE(COMPLETED, UNDELIVERED, TERMINATED, 0),
    RULE(COMPLETED, LINGER, TERMINATED, 0),
};

/* RFC 3261 17.1.2 */
static const struct rule client[] = {
    RULE(TRYING, 1XX, PROCEEDING, PASS),
    RULE(TRYING, 2XX, COMPLETED, PASS),
    RULE(TRYING, FAILURE, COMPLETED, PASS),
    RULE(TRYING, RESEND, TRYING, SEND),
    RULE(TRYING, TIMEOUT, TERMINATED, EXPIRED),
    RULE(TRYING, UNDELIVERED, TERMINATED, 0),
    RULE(PROCEEDING, 1XX, PROCEEDING, PASS),
    RULE(PROCEEDING, 2XX, COMPLETED, PASS),
    RULE(PROCEEDING, FAILURE, COMPLETED, PASS),
    RULE(PROCEEDING, RESEND, PROCEEDING, SEND),
    RULE(PROCEEDING, TIMEOUT, TERMINATED, EXPIRED),
    RULE(PROCEEDING, UNDELIVERED, TERMINATED, 0),
    RULE(COMPLETED, LINGER, TERMINATED, 0),
};

/* RFC 3261 17.2.1, RFC 6026 section 7.1 */
static const struct rule invite_server[] = {
    RULE(PROCEEDING, 1XX, PROCEEDING, SEND),
    RULE(PROCEEDING, 2XX, ACCEPTED, SEND),
    RULE(PROCEEDING, FAILURE, COMPLETED, SEND),
    RULE(PROCEEDING, REQUEST, PROCEEDING, SEND),
    RULE(PROCEEDING, TRYING, PROCEEDING, SEND_100),
    RULE(ACCEPTED, 2XX, ACCEPTED, SEND),
    RULE(ACCEPTED, ACK, ACCEPTED, PASS),
    RULE(ACCEPTED, LINGER, TERMINATED, 0),
    RULE(COMPLETED, REQUEST, COMPLETED, SEND),
    RULE(COMPLETED, ACK, CONFIRMED, 0),
    RULE(COMPLETED, RESEND, COMPLETED, SEND),
    RULE(COMPLETED, TIMEOUT, TERMINATED, EXPIRED),
    RULE(CONFIRMED, LINGER, TERMINATED, 0),
};

/* RFC 3261 17.2.2, RFC 4320 section 4.1; siptxn_send holds provisional responses back until they are due. */
/* clang-format off */
static const struct rule server[] = {
    RULE(TRYING, 1XX, PROCEEDING, SEND),
    RULE(TRYING, 2XX, COMPLETED, SEND),
    RULE(TRYING, FAILURE, COMPLETED, SEND),
    RULE(TRYING, TRYING, PROCEEDING, SEND_100),
    RULE(PROCEEDING, 1XX, PROCEEDING, SEND),
    RULE(PROCEEDING, 2XX, COMPLETED, SEND),
    RULE(PROCEEDING, FAILURE, COMPLETED, SEND),
    RULE(PROCEEDING, REQUEST, PROCEEDING, SEND),
    RULE(COMPLETED, REQUEST, COMPLETED, SEND),
    RULE(COMPLETED, LINGER, TERMINATED, 0),
};

#define IN(state) [SIPTXN_##state]
static const struct timers invite_client_timers[SIPTXN_STATE_COUNT] = {
    IN(CALLING)    = {.resend = T1, .timeout = TIMER_B},               /* A, B */
    IN(ACCEPTED)   = {.linger = T1_64},                                /* M */
    IN(COMPLETED)  = {.linger = TIMER_D, .linger_unreliable = true},   /* D */
};
static const struct timers client_timers[SIPTXN_STATE_COUNT] = {
    IN(TRYING)     = {.resend = T1, .timeout = TIMER_F},               /* E, F */
    IN(PROCEEDING) = {.keep = true, .resend_at_t2 = true},
    IN(COMPLETED)  = {.linger = T4, .linger_unreliable = true},        /* K */
};
static const struct timers invite_server_timers[SIPTXN_STATE_COUNT] = {
    IN(PROCEEDING) = {.trying = TRYING_INVITE},
    IN(ACCEPTED)   = {.linger = T1_64},                                /* L */
    IN(COMPLETED)  = {.resend = T1, .timeout = T1_64},                 /* G, H */
    IN(CONFIRMED)  = {.linger = T4, .linger_unreliable = true},        /* I */
};
static const struct timers server_timers[SIPTXN_STATE_COUNT] = {
    IN(TRYING)     = {.trying = TRYING_OTHER},
    IN(COMPLETED)  = {.linger = T1_64, .linger_unreliable = true},     /* J */
};

/* Intervals of retransmission double up to T2; those of timer A without end. */
static const struct machine machines[] = {
    [SIPTXN_INVITE_CLIENT] = {SIPTXN_CALLING, false, RULES(invite_client)},
    [SIPTXN_CLIENT]        = {SIPTXN_TRYING, true, RULES(client)},
    [SIPTXN_INVITE_SERVER] = {SIPTXN_PROCEEDING, true, RULES(invite_server)},
    [SIPTXN_SERVER]        = {SIPTXN_TRYING, true, RULES(server)},
};
/* clang-format on */

/* --- what drives them --- */

/* After this long a client's timer E has grown to T2 (RFC 4320 4.1): 3.5 s with the RFC's values. */
static uint64_t until_t2(const struct siptxn_times *times)
{
    uint64_t sum = 0;
    for (uint64_t step = times->t1; step > 0 && step < times->t2; step *= 2)
        sum += step;
    return sum;
}

static uint64_t after(const struct siptxn *t, uint64_t now, enum span span)
{
    switch (span) {
    case NEVER:
        break;
    case T1:
        return now + t->times->t1;
    case T4:
        return now + t->times->t4;
    case T1_64:
        return now + 64ULL * t->times->t1;
    case TIMER_B:
        return now + t->times->timer_b;
    case TIMER_D:
        return now + t->times->timer_d;
    case TIMER_F:
        return now + t->times->timer_f;
    case TRYING_INVITE:
        return now + INVITE_TRYING_MS;
    case TRYING_OTHER:
        return now + until_t2(t->times);
    }
    return UINT64_MAX;
}

static void stop_timers(struct siptxn *t)
{
    t->resend = t->timeout = t->linger = t->trying = UINT64_MAX;
}

/* Every change of state comes through here. */
static unsigned enter(struct siptxn *t, enum siptxn_state to, uint64_t now)
{
    const struct timers *run = &machines[t->kind].timers[to];
    if (to == SIPTXN_TERMINATED || (run->linger_unreliable && t->reliable)) {
        t->state = SIPTXN_TERMINATED;
        stop_timers(t);
        return SIPTXN_DO_END;
    }
    t->state = to;
    t->trying = after(t, now, run->trying);
    t->linger = after(t, now, run->linger);
    if (!run->keep) {
        t->timeout = after(t, now, run->timeout);
        t->resend = t->reliable ? UINT64_MAX : after(t, now, run->resend);
        t->resend_step = t->times->t1;
    }
    return 0;
}

static unsigned handle(struct siptxn *t, enum event event, uint64_t now)
{
    const struct machine *m = &machines[t->kind];
    for (size_t i = 0; i < m->n_rules; i++) {
        const struct rule *r = &m->rules[i];
        if (r->in != t->state || r->event != event)
            continue;
        return r->to == t->state ? r->actions : r->actions | enter(t, r->to, now);
    }
    return 0;
}

static bool is_server(const struct siptxn *t)
{
    return t->kind == SIPTXN_INVITE_SERVER || t->kind == SIPTXN_SERVER;
}

static bool status_event(unsigned status, enum event *ret)
{
    *ret = status < 200 ? ON_1XX : status < 300 ? ON_2XX : ON_FAILURE;
    return status >= 100 && status < 700;
}

unsigned siptxn_start(struct siptxn *t, enum siptxn_kind kind, bool reliable,
                      const struct siptxn_times *times, uint64_t now)
{
    *t = (struct siptxn){.kind = kind, .reliable = reliable, .times = times};
    enter(t, machines[kind].first, now);
    return is_server(t) ? 0 : SIPTXN_DO_SEND;
}

unsigned siptxn_response(struct siptxn *t, uint64_t now, unsigned status)
{
    enum event event;
    return !is_server(t) && status_event(status, &event) ? handle(t, event, now) : 0;
}

unsigned siptxn_request(struct siptxn *t, uint64_t now)
{
    /* as long as 100 is due there is no response to repeat */
    return is_server(t) && t->trying == UINT64_MAX ? handle(t, ON_REQUEST, now) : 0;
}

unsigned siptxn_ack(struct siptxn *t, uint64_t now)
{
    return t->kind == SIPTXN_INVITE_SERVER ? handle(t, ON_ACK, now) : 0;
}

unsigned siptxn_send(struct siptxn *t, uint64_t now, unsigned status)
{
    enum event event;
    unsigned actions;
    if (!is_server(t) || !status_event(status, &event))
        return 0;
    if (t->kind == SIPTXN_SERVER && event == ON_1XX &&
        (status != 100 || (t->trying != UINT64_MAX && now < t->trying)))
        return 0; /* RFC 4320 4.1 */
    actions = handle(t, event, now);
    if (actions & SIPTXN_DO_SEND) {
        t->trying = UINT64_MAX;
        t->sent_final = t->sent_final || event != ON_1XX;
    }
    return actions;
}

unsigned siptxn_transport_failed(struct siptxn *t, uint64_t now)
{
    return handle(t, ON_UNDELIVERED, now);
}

/* The interval doubles with each retransmission. */
static unsigned resend(struct siptxn *t, uint64_t now)
{
    const struct machine *m = &machines[t->kind];
    uint64_t step = 2ULL * t->resend_step, most = m->resend_to_t2 ? t->times->t2 : UINT32_MAX;
    if (step > most || m->timers[t->state].resend_at_t2)
        step = most;
    t->resend_step = (uint32_t)step;
    t->resend = now + step;
    return handle(t, ON_RESEND, now);
}

unsigned siptxn_timeout(struct siptxn *t, uint64_t now)
{
    if (t->timeout <= now)
        return handle(t, ON_TIMEOUT, now);
    if (t->linger <= now)
        return handle(t, ON_LINGER, now);
    if (t->trying <= now) {
        t->trying = UINT64_MAX;
        return handle(t, ON_TRYING, now);
    }
    return t->resend <= now ? resend(t, now) : 0;
}

uint64_t siptxn_deadline(const struct siptxn *t)
{
    uint64_t timers[] = {t->resend, t->timeout, t->linger, t->trying}, first = UINT64_MAX;
    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
        first = timers[i] < first ? timers[i] : first;
    return first;
}
