#include "service/replica/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/crypto/hash.h"

#include <errno.h>

/* Of a text that is well-formed: is it the hash or the signature that is wrong? */
static bool hash_is_wrong(struct slice text)
{
    struct arena a = {0};
    struct buf hex = {0};
    struct json_value *doc;
    struct json_error error;
    unsigned char digest[CRYPTO_SHA256];
    bool wrong = false;
    if (json_parse(text, &a, &doc, &error) == 0) {
        crypto_sha256(json_get_string(doc, "content"), digest);
        text_hex(&hex, digest, sizeof(digest));
        wrong = !slice_eq(buf_slice(&hex), json_get_string(doc, "hash"));
    }
    buf_fini(&hex);
    arena_fini(&a);
    return wrong;
}

static int take_revision(struct exchange *e)
{
    struct replica *r = e->r;
    struct revision *old = r->revision;
    int err = revision_parse(e->q.revision, r->signer, &e->revision);
    if (err == -EKEYREJECTED && hash_is_wrong(e->q.revision))
        return exchange_refuse(e, "replica.bad-hash", "The revision's content does not have its hash.");
    if (err == -EKEYREJECTED)
        return exchange_refuse(e, "replica.bad-signature",
                               "The revision is not signed by central management.");
    if (err < 0)
        return exchange_refuse(e, "replica.bad-push", "The revision cannot be read.");
    if (old && e->revision->number < old->number)
        return exchange_refuse(e, "replica.older", "Revision %llu is older than %llu, which is here.",
                               (unsigned long long)e->revision->number, (unsigned long long)old->number);
    if (old && e->revision->number == old->number && strcmp(e->revision->hash, old->hash) != 0)
        return exchange_refuse(e, "replica.other-content", "Revision %llu is here with other content.",
                               (unsigned long long)old->number);
    return 0;
}

static int take_material(struct exchange *e)
{
    const struct replica_identity *id = e->id ? e->id : e->r->id;
    const struct material *old = e->r->material;
    if (material_unseal(id, e->q.material, &e->material) < 0)
        return exchange_refuse(e, "replica.unseal", "The material is not sealed to this machine's key.");
    keys_fill(e->r->folder, e->material, old);
    if (old && e->material->serial < old->serial)
        return exchange_refuse(e, "replica.older", "Material %llu is older than %llu, which is here.",
                               (unsigned long long)e->material->serial, (unsigned long long)old->serial);
    return 0;
}

static int take_topology(struct exchange *e)
{
    struct findings f = {0};
    int r = topology_parse(e->revision->content, &e->topology, &f);
    if (r < 0)
        r = exchange_refuse(e, "replica.refused", "This version does not understand the topology: " SLICE_FMT,
                            SLICE_ARG(f.n ? f.items[0].text : SLICE("unknown")));
    findings_fini(&f);
    return r;
}

/* Where a key is lacking, what is kept is what this machine goes on with: after a restart, too. */
static int stage_material(struct exchange *e)
{
    const struct replica_identity *id = e->id ? e->id : e->r->id;
    struct buf text = {0}, sealed = {0};
    if (!e->material->n_lacks)
        return files_stage(e->r->folder, FILE_MATERIAL, e->q.material);
    material_write(e->material, &text);
    int r = crypto_seal(id->cert, buf_slice(&text), &sealed);
    if (r == 0)
        r = files_stage(e->r->folder, FILE_MATERIAL, buf_slice(&sealed));
    mem_wipe(text.mem, text.cap);
    buf_fini(&text);
    buf_fini(&sealed);
    return r;
}

/* Written beside what is there, so that a full disk is noticed before anything changes. */
static int stage_files(struct exchange *e)
{
    int r = 0;
    if (e->material)
        r = stage_material(e);
    if (r == 0 && e->revision)
        r = files_stage(e->r->folder, FILE_REVISION, e->q.revision);
    if (r < 0)
        return exchange_refuse(e, "replica.disk", "The revision cannot be stored: %s.", strerror(-r));
    return 0;
}

/* Nothing is applied again that runs already; when keys have come that were lacking, it does not yet. */
static void forget_what_runs(struct exchange *e)
{
    struct replica *r = e->r;
    bool same = r->running && (!e->revision || e->revision->number == r->revision->number) &&
                (!e->material || (r->material && e->material->serial == r->material->serial &&
                                  e->material->n_lacks == r->material->n_lacks));
    if (!same)
        return;
    revision_free(e->revision);
    material_unref(e->material);
    e->revision = NULL;
    e->material = NULL;
}

int exchange_take(struct exchange *e)
{
    int r = 0;
    if (e->q.certificate.n)
        r = exchange_take_certificate(e);
    if (r == 0 && e->q.revision.n)
        r = take_revision(e);
    if (r == 0 && e->q.keys.n)
        r = exchange_take_keys(e);
    if (r == 0 && e->q.material.n)
        r = take_material(e);
    if (r < 0)
        return r;
    forget_what_runs(e);
    if (e->revision)
        r = take_topology(e);
    return r < 0 ? r : stage_files(e);
}

int exchange_commit_files(struct exchange *e)
{
    int r = 0;
    if (e->material)
        r = files_commit(e->r->folder, FILE_MATERIAL);
    if (r == 0 && e->revision)
        r = files_commit(e->r->folder, FILE_REVISION);
    if (r < 0)
        return exchange_refuse(e, "replica.disk", "The revision cannot be stored: %s.", strerror(-r));
    return 0;
}
