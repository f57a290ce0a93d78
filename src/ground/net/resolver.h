/*
 * net/resolver.h - asynchronous DNS on one loop. Wraps libunbound's event API (cache, TTLs, retries inside).
 *
 * The answer is the raw packet, to be parsed by wire/dns. The callback may run before resolver_ask returns
 * (cache hit). One resolver a worker and revision: forwarders cannot change after the first question.
 */
#pragma once

#include "ground/loop/loop.h"
#include "ground/net/addr.h"
#include "ground/net/resolver_memory.h"

struct resolver;
struct resolver_query;

enum { RESOLVER_MAX_SERVERS = 8 };
struct resolver_config {
    struct net_addr servers[RESOLVER_MAX_SERVERS]; /* forwarders; none: those of /etc/resolv.conf */
    size_t n_servers;
    uint64_t stale_ms; /* so long old answers serve while no server answers (RFC 8767); 0: not at all */
    size_t records;    /* answers that are remembered, of both kinds: fresh and old; 0: as it sees fit */
    bool validate;     /* DNSSEC */
    const char *trust_anchor; /* file, or NULL */
    struct resolver_memory
        *shared; /* old answers of other workers as well; outlives the resolver; NULL: none */
};
struct resolver *resolver_new(struct loop *l, const struct resolver_config *config);
void resolver_free(struct resolver *r); /* no callback follows */
/* Has it been asked what it has not answered yet? */
bool resolver_is_busy(const struct resolver *r);

enum resolver_status { RESOLVER_ANSWER, RESOLVER_FAILED };
/*
 * Stale answers: a question that fails, or is not answered within RESOLVER_STALE_AFTER_MS, is given the last
 * good answer (NXDOMAIN too) if that is not older than stale_ms; the question goes on behind it, and for half
 * a minute the same one is given the old answer at once. Resolvers that share a memory give each other's. An
 * answer that comes replaces it, whatever it says.
 *
 * packet: a DNS message, only with RESOLVER_ANSWER; valid during the call. Its rcode is in its header:
 * NOERROR or NXDOMAIN; every other one, a bogus answer and a malformed name are RESOLVER_FAILED. The callback
 * may ask again, cancel any query, also its own, and free the resolver. */
typedef void resolver_done(void *arg, enum resolver_status status, struct slice packet, bool secure);
/* type: 1 A, 28 AAAA, 33 SRV, 35 NAPTR, 6 SOA. NULL when the answer has been given already. Gives up by
 * itself after RESOLVER_TIMEOUT_MS (RESOLVER_FAILED). What is asked from inside a callback begins at the end
 * of the turn. Negative answers and failures are remembered for RESOLVER_MAX_NEGATIVE_S at the most. */
enum { RESOLVER_STALE_AFTER_MS = 1500, RESOLVER_TIMEOUT_MS = 5000, RESOLVER_MAX_NEGATIVE_S = 5 };
/* How long they waited whose answers were not remembered (METRIC_TIME). Counters: dns.asked, dns.cached,
 * dns.nonexistent, dns.bogus, dns.timed-out, dns.failed, resolver.stale. */
#define METRIC_DNS_WAITED "dns.waited"
struct resolver_query *resolver_ask(struct resolver *r, struct slice name, uint16_t type, resolver_done *done,
                                    void *arg);
void resolver_cancel(struct resolver_query *q); /* NULL is fine */
