#include "service/central/priv.h"

#include "ground/base/mem.h"

#include <errno.h>

enum { KEPT_WITHIN_CA_MS = 1000 };

int vault_sign(struct vault *v, struct slice fqdn, struct slice request, int days, struct crypto_cert **ret,
               struct refusal *why)
{
    struct arena a = {0};
    struct topology_role role;
    struct slice *list;
    struct crypto_request_names names = {.common_name = fqdn};
    int64_t end = loop_wall() + days * DAY_MS;
    int64_t ca_end = crypto_cert_not_after(v->ca) - KEPT_WITHIN_CA_MS;
    if (!topology_role_find(v->now->topology, fqdn, &role))
        return refuse(
            why, 404, "machine.unknown",
            "'" SLICE_FMT
            "' is no machine of the published topology: entente machine list shows the managed ones.",
            SLICE_ARG(fqdn));
    if (role.machine)
        names.common_name = role.machine->fqdn; /* as the topology spells it */
    topology_certificate_names(v->now->topology, fqdn, &a, &list, &names.n_dns);
    if (role.foreign) { /* whoever connects to the pool looks for its name */
        struct slice *both = ARENA_ARRAY(&a, struct slice, names.n_dns + 1);
        memcpy(both, list, names.n_dns * sizeof(*both));
        both[names.n_dns++] = role.foreign->fqdn;
        list = both;
    }
    names.dns = list;
    int r = crypto_ca_sign(v->ca_key, v->ca, request, &names, end < ca_end ? end : ca_end, ret);
    arena_fini(&a);
    if (r < 0)
        return refuse(why, 422, "machine.request", "The certificate request is refused: %s.", crypto_error());
    return 0;
}

int vault_issue(struct vault *v, struct slice fqdn, struct slice request, int days, struct buf *out_pem,
                struct refusal *why)
{
    struct crypto_cert *cert = NULL;
    struct topology_role role;
    if (!topology_role_find(v->now->topology, fqdn, &role) || !role.managed)
        return refuse(why, 404, "machine.unknown",
                      SLICE_FMT " is no managed machine of the published topology.", SLICE_ARG(fqdn));
    if (role.machine)
        fqdn = role.machine->fqdn;
    int r = vault_sign(v, fqdn, request, days, &cert, why);
    if (r < 0)
        return r;
    crypto_cert_write(cert, out_pem);
    crypto_cert_unref(cert);
    r = store_blob_put(v->store, "machine", fqdn, buf_slice(out_pem));
    return r < 0 ? refuse_store(why, v, r) : 0;
}

int snapshot_seal(const struct snapshot *s, struct slice fqdn, const struct crypto_cert *to, struct buf *out)
{
    struct arena a = {0};
    struct buf text = {0};
    struct topology_role role = {0};
    struct slice *pools = NULL;
    size_t n = 0;
    if (topology_role_find(s->topology, fqdn, &role) && role.edge) {
        pools = ARENA_ARRAY(&a, struct slice, role.edge->adopts.n + 1);
        pools[n++] = role.edge->fqdn;
        for (size_t i = 0; i < role.edge->adopts.n; i++)
            pools[n++] = role.edge->adopts.items[i];
    }
    struct material *part = material_for_pools(s->material, pools, n);
    /* what is assigned to one machine goes before what its pool has */
    const struct material_cert *own = role.edge ? material_cert_find(s->material, fqdn) : NULL;
    if (own)
        material_cert_put(part,
                          &(struct material_cert){role.edge->fqdn, own->cert_pem, own->key_pem, own->key_id});
    material_write(part, &text);
    int r = crypto_seal(to, buf_slice(&text), out);
    mem_wipe(text.mem, text.cap);
    buf_fini(&text);
    material_unref(part);
    arena_fini(&a);
    return r;
}

static int bundle_fill(struct vault *v, struct slice fqdn, struct slice cert_pem, struct bundle *b,
                       struct buf *sealed)
{
    struct topology_role role;
    struct crypto_cert *cert;
    int r = crypto_cert_parse(cert_pem, &cert);
    if (r < 0 || !topology_role_find(v->now->topology, fqdn, &role))
        return -EINVAL;
    r = snapshot_seal(v->now, fqdn, cert, sealed);
    crypto_cert_unref(cert);
    b->fqdn = role.machine ? role.machine->fqdn : v->now->topology->central.machine;
    b->central_fqdn = v->now->topology->central.machine;
    b->address = role.internal_address;
    b->port = role.replica_port;
    b->ca_pem = v->ca_pem;
    b->signer_pem = v->signer_pem;
    b->cert_pem = cert_pem;
    b->revision = v->now->text;
    b->material = buf_slice(sealed);
    return r;
}

int vault_bundle(struct vault *v, struct slice fqdn, struct buf *out, struct refusal *why)
{
    struct crypto_key *key = crypto_key_new();
    struct crypto_request_names names = {.common_name = fqdn, .dns = &fqdn, .n_dns = 1};
    struct buf request = {0}, pem = {0}, key_pem = {0}, sealed = {0};
    struct bundle b = {0};
    int r = crypto_request_new(key, &names, &request);
    if (r < 0)
        r = refuse(why, 404, "machine.unknown", "This is no name of a machine.");
    else
        r = vault_issue(v, fqdn, buf_slice(&request), CENTRAL_BUNDLE_DAYS, &pem, why);
    if (r == 0) {
        crypto_key_write(key, &key_pem);
        b.key_pem = buf_slice(&key_pem);
        r = bundle_fill(v, fqdn, buf_slice(&pem), &b, &sealed);
        if (r < 0)
            refuse(why, 500, "machine.seal", "The material cannot be sealed: %s.", crypto_error());
    }
    if (r == 0)
        bundle_write(&b, out);
    if (key_pem.mem)
        mem_wipe(key_pem.mem, key_pem.cap);
    buf_fini(&key_pem);
    buf_fini(&request);
    buf_fini(&pem);
    buf_fini(&sealed);
    crypto_key_unref(key);
    return r;
}
