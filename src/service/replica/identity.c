#include "service/replica/priv.h"

#include "ground/base/mem.h"

#include <errno.h>
#include <stdio.h>

void replica_identity_free(struct replica_identity *id)
{
    if (!id)
        return;
    crypto_key_unref(id->key);
    crypto_cert_unref(id->cert);
    crypto_trust_unref(id->trust);
    arena_fini(&id->arena);
    mem_free(id);
}

/* From machine.json or a bundle. */
static int identity_set(struct replica_identity *id, const struct bundle *b)
{
    id->fqdn = arena_copy(&id->arena, b->fqdn);
    id->central_fqdn = arena_copy(&id->arena, b->central_fqdn);
    id->internal_ca_pem = arena_copy(&id->arena, b->ca_pem);
    id->signer_pem = arena_copy(&id->arena, b->signer_pem);
    id->trust = crypto_trust_new();
    if (net_addr_parse(b->address, (uint16_t)b->port, &id->listen) < 0)
        return -EBADMSG;
    return crypto_trust_add(id->trust, id->internal_ca_pem);
}

static int read_key(const char *folder, const char *name, struct crypto_key **ret)
{
    struct buf pem = {0};
    int r = files_read(folder, name, &pem);
    if (r == 0)
        r = crypto_key_parse(buf_slice(&pem), ret);
    if (pem.mem)
        mem_wipe(pem.mem, pem.cap);
    buf_fini(&pem);
    return r;
}

/* The certificate is the point of no return of a renewal: when the waiting key belongs to it, the crash came
 * right behind. */
static int finish_renewal(const char *folder, struct replica_identity *id)
{
    struct crypto_key *next = NULL;
    int r = read_key(folder, FILE_KEY_NEXT, &next);
    if (r == 0)
        r = crypto_cert_matches(id->cert, next);
    if (r == 0)
        r = files_rename(folder, FILE_KEY_NEXT, FILE_KEY);
    if (r == 0) {
        crypto_key_unref(id->key);
        id->key = next;
        return 0;
    }
    crypto_key_unref(next);
    return -ENOKEY;
}

static bool same_as_pem(const struct crypto_cert *cert, struct slice pem)
{
    struct crypto_cert *other;
    if (crypto_cert_parse(pem, &other) < 0)
        return false;
    bool same = certificate_same(cert, other);
    crypto_cert_unref(other);
    return same;
}

static int identity_read(const char *folder, struct replica_identity *id)
{
    struct buf text = {0};
    struct arena a = {0};
    struct bundle b = {0};
    struct crypto_cert *cert = NULL;
    int r = files_read(folder, FILE_MACHINE, &text);
    if (r == 0)
        r = bundle_machine_parse(buf_slice(&text), &a, &b);
    if (r == 0)
        r = identity_set(id, &b);
    buf_clear(&text, 0);
    if (r == 0)
        r = files_read(folder, FILE_CERT, &text);
    if (r == 0)
        r = crypto_cert_parse(buf_slice(&text), &cert);
    id->cert = cert;
    if (r == 0 && (read_key(folder, FILE_KEY, &id->key) < 0 || crypto_cert_matches(id->cert, id->key) < 0))
        r = finish_renewal(folder, id);
    id->carried = r == 0 && same_as_pem(id->cert, b.cert_pem);
    buf_fini(&text);
    arena_fini(&a);
    return r;
}

int replica_identity_load(const char *state_folder, struct replica_identity **ret)
{
    if (!files_exists(state_folder, FILE_MACHINE))
        return -ENOENT;
    struct replica_identity *id = MEM_NEW(struct replica_identity);
    int r = identity_read(state_folder, id);
    if (r == 0)
        *ret = id;
    else
        replica_identity_free(id);
    return r == -ENOENT ? -EBADMSG : r;
}

int material_unseal(const struct replica_identity *id, struct slice sealed, struct material **ret)
{
    struct buf text = {0};
    int r = crypto_unseal(id->key, id->cert, sealed, &text);
    if (r == 0)
        r = material_parse(buf_slice(&text), ret);
    if (text.mem)
        mem_wipe(text.mem, text.cap);
    buf_fini(&text);
    return r;
}

/* --- joining --- */
/* Each as a sentence; NULL when the bundle is whole. */
static const char *bundle_fault(const struct bundle *b, struct replica_identity *id)
{
    struct crypto_cert *cert = NULL, *signer = NULL;
    struct revision *revision = NULL;
    struct material *material = NULL;
    const char *fault = NULL;
    if (identity_set(id, b) < 0)
        fault = "its address or internal CA cannot be read";
    else if (crypto_cert_parse(b->cert_pem, &cert) < 0 || crypto_key_parse(b->key_pem, &id->key) < 0)
        fault = "its certificate or key cannot be read";
    else if (crypto_cert_matches(cert, id->key) < 0)
        fault = "its key does not belong to its certificate";
    else if (!crypto_cert_names_host(cert, b->fqdn))
        fault = "its certificate does not name the machine";
    else if (crypto_trust_verify(id->trust, cert) < 0)
        fault = "its certificate is not from its internal CA, or has expired (that of a bundle lasts 30 "
                "days: make a "
                "new one), or the clock is wrong";
    else if (crypto_cert_parse(b->signer_pem, &signer) < 0 || crypto_trust_verify(id->trust, signer) < 0)
        fault = "the certificate of central management's signing key is not from its internal CA";
    else if (revision_parse(b->revision, signer, &revision) < 0)
        fault = "its revision is not signed by central management";
    id->cert = cert;
    if (!fault && material_unseal(id, b->material, &material) < 0)
        fault = "its material cannot be unsealed";
    crypto_cert_unref(signer);
    revision_free(revision);
    material_unref(material);
    return fault;
}

int replica_join(const char *state_folder, struct slice bundle, char *error)
{
    struct arena a = {0};
    struct bundle b;
    struct replica_identity *id = MEM_NEW(struct replica_identity);
    const char *fault = NULL;
    int r = bundle_parse(bundle, &a, &b);
    if (r < 0)
        fault = "it is no joining bundle";
    else
        fault = bundle_fault(&b, id);
    if (fault) {
        snprintf(error, 256, "The bundle is refused: %s.", fault);
        r = -EBADMSG;
    } else if (files_exists(state_folder, FILE_MACHINE)) {
        snprintf(error, 256, "%s belongs to a machine that has joined already.", state_folder);
        r = -EEXIST;
    } else {
        r = files_folder_make(state_folder);
        if (r == 0)
            r = files_unpack_bundle(state_folder, &b);
        if (r < 0)
            snprintf(error, 256, "%s cannot be written: %s.", state_folder, strerror(-r));
    }
    replica_identity_free(id);
    arena_fini(&a);
    return r;
}
