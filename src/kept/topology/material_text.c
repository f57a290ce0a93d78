/* The written form: one JSON object. */
#include "kept/topology/material_priv.h"

#include "ground/base/text.h"

#include <errno.h>

enum { SERIAL_BITS = 53 };

/* --- reading --- */
static bool count_fits(int64_t v, int64_t max)
{
    return v >= 0 && v <= max;
}

static int parse_key(const struct json_value *v, struct material_key *k)
{
    int64_t id = json_get_int(v, "id", -1);
    *k = (struct material_key){
        .id = (uint32_t)id,
        .made_ms = json_get_int(v, "made_ms", -1),
        .expires_ms = json_get_int(v, "expires_ms", -1),
    };
    ssize_t n = text_unbase64(json_get_string(v, "key"), k->key, sizeof(k->key));
    material_key_ready(k);
    bool good = n == MATERIAL_KEY && count_fits(id, UINT32_MAX) && k->made_ms >= 0 && k->expires_ms >= 0;
    return good ? 0 : -EBADMSG;
}

static int parse_keys(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_KEYS))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        struct material_key *k = &m->keys[m->n_keys];
        if (parse_key(json_at(list, i), k) < 0)
            return -EBADMSG;
        for (size_t j = 0; j < m->n_keys; j++)
            if (m->keys[j].id == k->id)
                return -EBADMSG;
        m->n_keys++;
    }
    return 0;
}

static bool id_fits(struct slice id)
{
    unsigned char raw[MATERIAL_KEY_ID / 2];
    return id.n == MATERIAL_KEY_ID && text_unhex(id, raw, sizeof(raw)) == (ssize_t)sizeof(raw);
}

/* One of the two. */
static bool key_fits(struct slice key, struct slice id)
{
    return id.n ? !key.n && id_fits(id) : key.n > 0;
}

static int parse_lacks(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_LACKS))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *v = json_at(list, i);
        if (v->kind != JSON_STRING || !id_fits(v->string))
            return -EBADMSG;
        m->lacks[m->n_lacks++] = arena_copy(&m->arena, v->string);
    }
    return 0;
}

static int parse_certs(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_CERTS))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *v = json_at(list, i);
        struct slice pool = json_get_string(v, "pool"), cert = json_get_string(v, "cert");
        struct slice key = json_get_string(v, "key"), id = json_get_string(v, "key_id");
        if (!pool.n || !cert.n || !key_fits(key, id) || material_cert_find(m, pool))
            return -EBADMSG;
        material_cert_put(m, &(struct material_cert){pool, cert, key, id});
    }
    return 0;
}

static int parse_uses(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_USES))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *v = json_at(list, i);
        const struct material_use u = {
            .pool = json_get_string(v, "pool"),
            .use = json_get_string(v, "use"),
            .cert_pem = json_get_string(v, "cert"),
            .key_pem = json_get_string(v, "key"),
            .key_id = json_get_string(v, "key_id"),
            .from_ms = json_get_int(v, "from_ms", 0),
            .until_ms = json_get_int(v, "until_ms", -1),
        };
        if (!u.pool.n || !u.use.n || !u.cert_pem.n || !key_fits(u.key_pem, u.key_id) || u.from_ms < 0 ||
            u.until_ms < 0)
            return -EBADMSG;
        material_use_append(m, &u);
    }
    return 0;
}

static int parse_trusts(const struct json_value *list, struct material *m)
{
    if (list && (list->kind != JSON_ARRAY || json_count(list) > MATERIAL_MAX_TRUSTS))
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *v = json_at(list, i);
        struct slice name = json_get_string(v, "name"), pem = json_get_string(v, "pem");
        if (!name.n || !pem.n || material_trust_find(m, name))
            return -EBADMSG;
        material_trust_set(m, name, pem);
    }
    return 0;
}

static int parse_lists(const struct json_value *list, struct material *m)
{
    if (list && list->kind != JSON_ARRAY)
        return -EBADMSG;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *v = json_at(list, i);
        const struct material_list l = {json_get_string(v, "fingerprint"), json_get_string(v, "list")};
        if (!id_fits(l.fingerprint) || !l.text.n || material_list_add(m, &l) < 0)
            return -EBADMSG;
    }
    return 0;
}

static int from_json(const struct json_value *doc, struct material *m)
{
    int64_t serial = json_get_int(doc, "serial", -1);
    if (!count_fits(serial, (1LL << SERIAL_BITS) - 1))
        return -EBADMSG;
    m->serial = (uint64_t)serial;
    m->trust_pem = arena_copy(&m->arena, json_get_string(doc, "trust"));
    int r = parse_keys(json_get(doc, "keys"), m);
    if (r == 0)
        r = parse_certs(json_get(doc, "certs"), m);
    if (r == 0)
        r = parse_trusts(json_get(doc, "trusts"), m);
    if (r == 0)
        r = parse_uses(json_get(doc, "uses"), m);
    if (r == 0)
        r = parse_lists(json_get(doc, "lists"), m);
    return r < 0 ? r : parse_lacks(json_get(doc, "lacks"), m);
}

int material_parse(struct slice json, struct material **ret)
{
    struct arena a = {0};
    struct json_value *doc = NULL;
    struct json_error error;
    if (json.n > MATERIAL_MAX_TEXT)
        return -EBADMSG;
    int r = json_parse(json, &a, &doc, &error);
    if (r == 0) {
        struct material *m = material_new();
        r = from_json(doc, m);
        if (r == 0)
            *ret = m;
        else
            material_unref(m);
        material_wipe_json(doc);
    }
    arena_fini(&a);
    return r;
}

/* --- writing --- */
static void write_key(const struct material_key *k, struct buf *out)
{
    buf_printf(out, "{\"id\":%u,\"key\":\"", k->id);
    text_base64(out, k->key, sizeof(k->key));
    buf_printf(out, "\",\"made_ms\":%lld,\"expires_ms\":%lld}", (long long)k->made_ms,
               (long long)k->expires_ms);
}

struct written {
    const char *name;
    struct slice value;
};

static void write_members(const struct written *members, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        buf_append(out, slice_str(members[i].name));
        json_write_string(members[i].value, out);
    }
}

static void write_its_key(struct slice pem, struct slice id, struct buf *out)
{
    const struct written member = {id.n ? ",\"key_id\":" : ",\"key\":", id.n ? id : pem};
    write_members(&member, 1, out);
}

static void write_cert(const struct material_cert *c, struct buf *out)
{
    const struct written members[] = {
        {"{\"pool\":", c->pool    },
        {",\"cert\":", c->cert_pem},
    };
    write_members(members, sizeof(members) / sizeof(members[0]), out);
    write_its_key(c->key_pem, c->key_id, out);
    buf_append_char(out, '}');
}

static void write_use(const struct material_use *u, struct buf *out)
{
    const struct written members[] = {
        {"{\"pool\":", u->pool    },
        {",\"use\":",  u->use     },
        {",\"cert\":", u->cert_pem},
    };
    write_members(members, sizeof(members) / sizeof(members[0]), out);
    write_its_key(u->key_pem, u->key_id, out);
    buf_printf(out, ",\"from_ms\":%lld,\"until_ms\":%lld}", (long long)u->from_ms, (long long)u->until_ms);
}

static void write_trust(const struct material_trust *t, struct buf *out)
{
    const struct written members[] = {
        {"{\"name\":", t->name},
        {",\"pem\":",  t->pem }
    };
    write_members(members, sizeof(members) / sizeof(members[0]), out);
    buf_append_char(out, '}');
}

static void write_list(const struct material_list *l, struct buf *out)
{
    const struct written members[] = {
        {"{\"fingerprint\":", l->fingerprint},
        {",\"list\":",        l->text       }
    };
    write_members(members, sizeof(members) / sizeof(members[0]), out);
    buf_append_char(out, '}');
}

void material_write(const struct material *m, struct buf *out)
{
    buf_printf(out, "{\"serial\":%llu,\"keys\":[", (unsigned long long)m->serial);
    for (size_t i = 0; i < m->n_keys; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(""));
        write_key(&m->keys[i], out);
    }
    buf_append(out, SLICE("],\"certs\":["));
    for (size_t i = 0; i < m->n_certs; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(""));
        write_cert(&m->certs[i], out);
    }
    buf_append(out, SLICE("],\"uses\":["));
    for (size_t i = 0; i < m->n_uses; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(""));
        write_use(&m->uses[i], out);
    }
    buf_append(out, SLICE("],\"trusts\":["));
    for (size_t i = 0; i < m->n_trusts; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(""));
        write_trust(&m->trusts[i], out);
    }
    buf_append(out, SLICE("],\"lists\":["));
    for (size_t i = 0; i < m->n_lists; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(""));
        write_list(&m->lists[i], out);
    }
    buf_append(out, SLICE("],\"trust\":"));
    json_write_string(m->trust_pem, out);
    for (size_t i = 0; i < m->n_lacks; i++) {
        buf_append(out, i ? SLICE(",") : SLICE(",\"lacks\":["));
        json_write_string(m->lacks[i], out);
    }
    buf_append(out, m->n_lacks ? SLICE("]}") : SLICE("}"));
}
