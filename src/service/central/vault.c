#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

int refuse(struct refusal *r, unsigned status, const char *id, const char *fmt, ...)
{
    va_list ap;
    r->status = status;
    r->id = id;
    va_start(ap, fmt);
    vsnprintf(r->text, sizeof(r->text), fmt, ap);
    va_end(ap);
    return -EPROTO;
}

int refuse_store(struct refusal *r, const struct vault *v, int error)
{
    return refuse(r, 500, "central.store", "The store failed: %s (%s).", store_error(v->store),
                  strerror(-error));
}

/* --- snapshots --- */
struct snapshot *snapshot_new(void)
{
    struct snapshot *s = MEM_NEW(struct snapshot);
    atomic_init(&s->refs, 1);
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    topology_unref(s->topology);
    material_unref(s->material);
    if (s->dns.key_secret.n)
        explicit_bzero((char *)(uintptr_t)s->dns.key_secret.p, s->dns.key_secret.n);
    arena_fini(&s->arena);
    mem_free(s);
}

static void dns_copy(const struct central_dns *from, struct arena *a, struct central_dns *ret)
{
    *ret = (struct central_dns){
        .server = from->server,
        .key_name = arena_copy(a, from->key_name),
        .key_secret = arena_copy(a, from->key_secret),
        .zones = ARENA_ARRAY(a, struct slice, from->n_zones ? from->n_zones : 1),
        .n_zones = from->n_zones,
    };
    for (size_t i = 0; i < from->n_zones; i++)
        ret->zones[i] = arena_copy(a, from->zones[i]);
}

bool central_dns(struct central *c, struct arena *a, struct central_dns *ret)
{
    if (!c->now->has_dns)
        return false;
    dns_copy(&c->now->dns, a, ret);
    return true;
}

struct snapshot *snapshot_copy(const struct snapshot *from)
{
    struct snapshot *s = snapshot_new();
    s->number = from->number;
    memcpy(s->hash, from->hash, sizeof(s->hash));
    s->text = arena_copy(&s->arena, from->text);
    s->topology = from->topology ? topology_ref(from->topology) : NULL;
    s->material = from->material ? material_ref(from->material) : NULL;
    s->has_dns = from->has_dns;
    if (s->has_dns)
        dns_copy(&from->dns, &s->arena, &s->dns);
    return s;
}

static void vault_install(struct vault *v, struct snapshot *s)
{
    snapshot_unref(v->now);
    v->now = s;
}

/* --- secrets --- */
int vault_set_material(struct vault *v, struct material *m, struct refusal *why)
{
    struct buf text = {0};
    uint64_t heard = v->heard_serial, before = v->now->material ? v->now->material->serial : 0;
    m->serial = (heard > before ? heard : before) + 1;
    material_write(m, &text);
    int r = store_blob_put(v->store, "secret", SLICE("material"), buf_slice(&text));
    mem_wipe(text.mem, text.cap);
    buf_fini(&text);
    if (r < 0) {
        material_unref(m);
        return refuse_store(why, v, r);
    }
    struct snapshot *s = snapshot_copy(v->now);
    material_unref(s->material);
    s->material = m;
    vault_install(v, s);
    return 0;
}

int vault_raise_material(struct vault *v, struct refusal *why)
{
    if (v->heard_serial <= v->now->material->serial)
        return 0;
    return vault_set_material(v, material_copy(v->now->material), why);
}

int vault_rotate_keys(struct vault *v, struct refusal *why)
{
    int64_t period = v->now->topology->deployment.dialog_key_days * DAY_MS, now = loop_wall();
    if (!material_key_due(v->now->material, now, period))
        return 0;
    struct material *m = material_copy(v->now->material);
    material_key_add(m, now, period);
    return vault_set_material(v, m, why);
}

int dns_settings_parse(struct slice json, struct arena *a, struct central_dns *ret)
{
    struct json_value *doc;
    struct json_error error;
    struct central_dns d = {0};
    if (json_parse(json, a, &doc, &error) < 0 ||
        net_addr_parse_port(json_get_string(doc, "server"), 53, &d.server) < 0)
        return -EBADMSG;
    struct slice secret = json_get_string(doc, "key");
    char *raw = arena_alloc(a, secret.n + 1);
    ssize_t n = text_unbase64(secret, raw, secret.n + 1);
    const struct json_value *zones = json_get(doc, "zones");
    if (n < 0)
        return -EBADMSG;
    d.key_name = json_get_string(doc, "key_name");
    d.key_secret = slice_mem(raw, (size_t)n);
    d.n_zones = json_count(zones);
    d.zones = ARENA_ARRAY(a, struct slice, d.n_zones ? d.n_zones : 1);
    for (size_t i = 0; i < d.n_zones; i++) {
        const struct json_value *zone = json_at(zones, i);
        if (zone->kind != JSON_STRING)
            return -EBADMSG;
        d.zones[i] = zone->string;
    }
    *ret = d;
    return 0;
}

int vault_set_dns(struct vault *v, struct slice json, struct refusal *why)
{
    struct snapshot *s = snapshot_copy(v->now);
    int r = dns_settings_parse(json, &s->arena, &s->dns);
    s->has_dns = r == 0;
    if (r == 0)
        r = store_blob_put(v->store, "secret", SLICE("dns"), json);
    if (r < 0) {
        snapshot_unref(s);
        return refuse_store(why, v, r);
    }
    vault_install(v, s);
    return 0;
}

/* --- opening --- */
static int load_secret(struct vault *v, const char *name, struct buf *out)
{
    buf_clear(out, SIZE_MAX);
    return store_blob_get(v->store, "secret", slice_str(name), out);
}

static int load_authority(struct vault *v, struct buf *text)
{
    int r = load_secret(v, "ca.key", text);
    if (r == 0)
        r = crypto_key_parse(buf_slice(text), &v->ca_key);
    if (r == 0)
        r = load_secret(v, "signer.key", text);
    if (r == 0)
        r = crypto_key_parse(buf_slice(text), &v->signer_key);
    if (r == 0)
        r = load_secret(v, "ca.crt", text);
    if (r == 0)
        r = crypto_cert_parse(buf_slice(text), &v->ca);
    if (r == 0) {
        v->ca_pem = arena_copy(&v->arena, buf_slice(text));
        r = load_secret(v, "signer.crt", text);
    }
    if (r == 0)
        r = crypto_cert_parse(buf_slice(text), &v->signer);
    if (r == 0)
        v->signer_pem = arena_copy(&v->arena, buf_slice(text));
    return r;
}

/* v->now from the store; revision and topology as they were published. */
static int load_snapshot(struct vault *v, struct buf *text)
{
    struct snapshot *s = v->now = snapshot_new();
    struct revision *revision = NULL;
    int r = load_secret(v, "material", text);
    if (r == 0)
        r = material_parse(buf_slice(text), &s->material);
    if (r == 0 && load_secret(v, "dns", text) == 0)
        s->has_dns = dns_settings_parse(arena_copy(&s->arena, buf_slice(text)), &s->arena, &s->dns) == 0;
    buf_clear(text, SIZE_MAX);
    if (r == 0)
        r = store_revision_text(v->store, 0, text);
    if (r == 0)
        r = revision_parse(buf_slice(text), v->signer, &revision);
    if (r == 0)
        r = topology_parse(revision->content, &s->topology, NULL);
    if (r == 0) {
        s->number = revision->number;
        memcpy(s->hash, revision->hash, sizeof(s->hash));
        s->text = arena_copy(&s->arena, buf_slice(text));
        v->fqdn = arena_copy(&v->arena, s->topology->central.machine);
    }
    revision_free(revision);
    return r;
}

int vault_open(const char *folder, struct vault *v, char *error)
{
    struct buf text = {0};
    *v = (struct vault){.folder = mem_strdup(folder)};
    int r = files_exists(folder, "central.db") ? store_open(folder, &v->store) : -ENOENT;
    if (r < 0) {
        snprintf(error, CENTRAL_ERROR,
                 r == -ENOENT ? "%s holds no central management (entente init).%s"
                              : "%s: the store cannot be opened: %s.",
                 folder, r == -ENOENT ? "" : store_error(NULL));
    } else {
        r = load_authority(v, &text);
        if (r == 0)
            r = load_snapshot(v, &text);
        if (r < 0)
            snprintf(error, CENTRAL_ERROR, "%s: central.db is not whole: %s.", folder, strerror(-r));
    }
    if (text.mem)
        mem_wipe(text.mem, text.cap);
    buf_fini(&text);
    if (r < 0)
        vault_fini(v);
    return r;
}

void vault_fini(struct vault *v)
{
    snapshot_unref(v->now);
    crypto_key_unref(v->ca_key);
    crypto_key_unref(v->signer_key);
    crypto_cert_unref(v->ca);
    crypto_cert_unref(v->signer);
    store_close(v->store);
    arena_fini(&v->arena);
    mem_free(v->folder);
    *v = (struct vault){0};
}
