/* Which chains count for whom: the roots of all partners, roots that a partner has of its own, pinned keys. A
 * handshake takes what any of them takes; a domain is proven only by its own. */
#include "service/access_edge/priv.h"
#include "service/access_edge/refusals.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/crypto/crl.h"
#include "ground/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { TRUST_ALL, TRUST_PINS, TRUST_NAMED, SYSTEM_ROOTS_MAX = 16 << 20, KEY_ID = 32 };
static const char system_roots[] = "/etc/ssl/certs/ca-certificates.crt";

static int read_system_roots(struct buf *out)
{
    int fd = open(system_roots, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = 0;
    while (buf_len(out) < SYSTEM_ROOTS_MAX && (n = read(fd, buf_reserve(out, 65536), 65536)) > 0)
        buf_commit(out, (size_t)n);
    close(fd);
    return n < 0 ? -EIO : 0;
}

static void pin(struct crypto_trust *pins, struct slice key)
{
    unsigned char id[KEY_ID];
    if (key.n && text_unhex(key, id, sizeof(id)) == sizeof(id))
        crypto_trust_pin(pins, id);
}

/* Keys of partners and providers that need no root beside. */
static struct crypto_trust *all_pins(const struct topology *t)
{
    struct crypto_trust *pins = crypto_trust_new();
    for (size_t i = 0; i < t->n_partners; i++)
        if (t->partners[i].policy == TOPOLOGY_ALLOWED && !t->partners[i].trust.n)
            pin(pins, t->partners[i].pin_key);
    for (size_t i = 0; i < t->n_providers; i++)
        if (t->providers[i].enabled && !t->providers[i].trust.n)
            pin(pins, t->providers[i].pin_key);
    return pins;
}

/* What was found good under the same roots in an older revision stays known. */
static void add(struct edge *e, struct crypto_trust *fresh)
{
    const struct topology_access_edge *a = &e->t->access_edge;
    const struct crypto_trust_bounds bounds = {.good = (size_t)a->accepted_certificates_max,
                                               .bad = (size_t)a->rejected_certificates_max,
                                               .drop_percent = (unsigned)a->certificates_deleted_percent};
    struct crypto_trust *t = crypto_trust_shared(fresh);
    crypto_trust_remember(t, &bounds);
    e->trusts[e->n_trusts++] = t;
}

/* Not for pinned keys: whoever pins one has decided. */
static void ask_lists(const struct edge *e, struct crypto_trust *fresh)
{
    if (e->crls)
        crypto_trust_ask_crls(fresh, e->crls, e->t->access_edge.crl_unreachable == TOPOLOGY_UNKNOWN_REFUSED);
}

int trusts_compile(struct edge *e, const char **ret_file)
{
    const struct material *m = e->m;
    struct crypto_trust *all = crypto_trust_new();
    struct buf file = {0};
    int r = m->trust_pem.n ? 0 : read_system_roots(&file);
    if (r == 0)
        r = crypto_trust_add(all, m->trust_pem.n ? m->trust_pem : buf_slice(&file));
    buf_fini(&file);
    ask_lists(e, all);
    add(e, all);
    add(e, all_pins(e->t));
    for (size_t i = 0; i < m->n_trusts; i++) {
        struct crypto_trust *own = crypto_trust_new();
        if (crypto_trust_add(own, m->trusts[i].pem) < 0)
            log_event(LOG_ERROR, "edge.trust-unreadable", FIELDS({"name", m->trusts[i].name}),
                      "the roots " SLICE_FMT " cannot be read: %s", SLICE_ARG(m->trusts[i].name),
                      crypto_error());
        ask_lists(e, own);
        add(e, own);
    }
    *ret_file = m->trust_pem.n ? NULL : system_roots;
    return r;
}

void trusts_free(struct edge *e)
{
    for (size_t i = 0; i < e->n_trusts; i++)
        crypto_trust_unref(e->trusts[i]);
    e->n_trusts = 0;
}

/* NULL: there is none of this name; then nobody is proven by it. */
static struct crypto_trust *trust_named(const struct edge *e, struct slice name)
{
    const struct material_trust *t = material_trust_find(e->m, name);
    return t ? e->trusts[TRUST_NAMED + (size_t)(t - e->m->trusts)] : NULL;
}

static bool has_key(const struct crypto_cert *cert, struct slice key)
{
    unsigned char want[KEY_ID], have[KEY_ID];
    crypto_cert_key_id(cert, have);
    return text_unhex(key, want, sizeof(want)) == sizeof(want) && memcmp(want, have, sizeof(want)) == 0;
}

const struct refusal *trusts_judge(const struct edge *e, const struct policy *policy,
                                   const struct crypto_cert *cert, uint64_t *ret_until)
{
    int64_t now = (int64_t)time(NULL) * 1000, until = 0;
    struct crypto_trust *trust = policy->trust.n     ? trust_named(e, policy->trust)
                                 : policy->pin_key.n ? e->trusts[TRUST_PINS]
                                                     : e->trusts[TRUST_ALL];
    if (!trust || (policy->pin_key.n && !has_key(cert, policy->pin_key)))
        return &EDGE_SENDER_NOT_TRUSTED;
    int verdict = crypto_trust_judge(trust, cert, now, &until);
    if (verdict == CRYPTO_VERIFY_REVOKED)
        return &EDGE_CERTIFICATE_REVOKED;
    if (verdict == CRYPTO_VERIFY_NO_LIST)
        return &EDGE_REVOCATION_UNKNOWN;
    if (verdict != CRYPTO_VERIFY_OK || until <= now)
        return &EDGE_SENDER_NOT_TRUSTED;
    *ret_until = loop_now(loop_current()) + (uint64_t)(until - now);
    return NULL;
}

uint64_t trusts_epoch(const struct edge *e)
{
    return e->crls ? crl_store_epoch(e->crls) : 0;
}
