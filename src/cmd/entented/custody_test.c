/* Keys of external certificates are made on machines, stay there, and reach those alone that may have them.
 */
#include "ground/base/test.h"

#include "cmd/entented/deployment_for_test.h"
#include "ground/base/text.h"
#include "ground/crypto/inspect.h"

#include <sys/stat.h>

#define POOL "old.contoso.example"
static const char pool[] = POOL;

static struct json_value *ask(struct arena *a, const char *path, unsigned status, const char *id,
                              const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static struct json_value *ask(struct arena *a, const char *path, unsigned status, const char *id,
                              const char *fmt, ...)
{
    struct json_value *v = NULL;
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    char text[16384];
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (const char *p = text; *p; p++) /* as JSON is easier typed */
        buf_append_char(&b, *p == '\'' ? '"' : *p);
    char *body = buf_take(&b);
    unsigned got = api(a, "POST", path, body, &v);
    if (got != status || (id && !slice_eq(json_get_string(v, "id"), slice_str(id))))
        TEST_DIAG("%s: %u, not %u: " SLICE_FMT " " SLICE_FMT, path, got, status,
                  SLICE_ARG(json_get_string(v, "id")), SLICE_ARG(json_get_string(v, "text")));
    mem_free(body);
    return v;
}

/* PEM as a string of JSON */
static char *quoted(const struct crypto_cert *c, const struct crypto_key *k)
{
    struct buf pem = {0}, text = {0};
    if (c)
        crypto_cert_write(c, &pem);
    if (k)
        crypto_key_write(k, &pem);
    json_write_string(buf_slice(&pem), &text);
    buf_fini(&pem);
    return buf_take(&text);
}

static struct crypto_request_names sip_name(void)
{
    static const struct slice name = SLICE_INIT("sip.contoso.example");
    return (struct crypto_request_names){.common_name = name, .dns = &name, .n_dns = 1};
}

/* --- files --- */
static void key_path(char path[256], int node, const char *id)
{
    snprintf(path, 256, "%s/keys/%.64s.key", world.nodes[node].folder, id);
}

static bool has_key_file(int node, const char *id)
{
    char path[256];
    struct stat st;
    key_path(path, node, id);
    return stat(path, &st) == 0 && (st.st_mode & 07777) == 0600;
}

/* The private number of a key, as its DER form has it. */
static struct slice needle, needle_text;
static unsigned files_seen, files_with_it;

static int look_into(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    struct buf b = {0};
    (void)st;
    if (type != FTW_F)
        return 0;
    char folder[256];
    snprintf(folder, sizeof(folder), "%.*s", ftw->base - 1, path);
    CHECK_INT(files_read(folder, path + ftw->base, &b), 0);
    files_seen++;
    files_with_it += slice_search(buf_slice(&b), needle) != SIZE_MAX ||
                     slice_search(buf_slice(&b), needle_text) != SIZE_MAX;
    buf_fini(&b);
    return 0;
}

/* In how many files of a folder the key of that file is, in PEM or DER. */
static unsigned files_with_key(int node, const char *id, const char *folder)
{
    struct buf text = {0};
    char name[128], at[256], der[512];
    snprintf(name, sizeof(name), "%s.key", id);
    snprintf(at, sizeof(at), "%s/keys", world.nodes[node].folder);
    CHECK_INT(files_read(at, name, &text), 0);
    struct slice all = buf_slice(&text);
    size_t i = slice_search(all, SLICE("KEY-----\n")) + 9;
    struct slice lines =
        slice_head(slice_from(all, i), slice_search(slice_from(all, i), SLICE("\n-----END")));
    struct buf base64 = {0};
    for (size_t k = 0; k < lines.n; k++)
        if (lines.p[k] != '\n')
            buf_append_char(&base64, lines.p[k]);
    ssize_t n = text_unbase64(buf_slice(&base64), der, sizeof(der));
    CHECK(n > 64);
    enum { PRIVATE_AT = 36, PRIVATE = 32 }; /* PKCS#8 of P-256: 36 bytes of headers, then the number */
    needle = slice_mem(der + PRIVATE_AT, PRIVATE);
    needle_text = slice_head(lines, 64); /* the first line of the PEM form holds the number's beginning */
    files_seen = files_with_it = 0;
    CHECK_INT(nftw(folder, look_into, 16, FTW_PHYS), 0);
    CHECK(files_seen > 0);
    unsigned found = files_with_it;
    buf_fini(&base64);
    buf_fini(&text);
    return found;
}

/* --- what machines have --- */
static const struct material_cert *cert_on(int node)
{
    return world.nodes[node].material ? material_cert_find(world.nodes[node].material, slice_str(pool))
                                      : NULL;
}

static bool runs_key(int node, const char *id)
{
    const struct material_cert *mc = cert_on(node);
    struct crypto_key *k = NULL;
    struct crypto_cert *c = NULL;
    bool good = mc && slice_eq(mc->key_id, slice_str(id)) && crypto_key_parse(mc->key_pem, &k) == 0 &&
                crypto_cert_parse(mc->cert_pem, &c) == 0 && crypto_cert_matches(c, k) == 0;
    crypto_key_unref(k);
    crypto_cert_unref(c);
    return good;
}

static bool new_lacks_key(void *arg)
{
    struct arena a = {0};
    struct central_machine_state *list;
    size_t n = central_machines(world.central, &a, &list);
    bool found = false;
    (void)arg;
    for (size_t i = 0; i < n; i++)
        found = found || (slice_eq(list[i].fqdn, slice_str(node_names[NEW1])) && !list[i].current &&
                          slice_search(list[i].why, SLICE("key: ")) == 0);
    arena_fini(&a);
    return found;
}

static void adopt(bool yes)
{
    struct arena a = {0};
    ask(&a, yes ? "/v1/draft/set" : "/v1/draft/remove", 200, NULL,
        "{'path':'edge_pools/new.contoso.example/adopts','value':'" POOL "','author':'t'}");
    ask(&a, "/v1/publish", 200, NULL, "{'comment':'x','author':'t','accept_warnings':true}");
    arena_fini(&a);
}

/* A request of the pool's, and the certificate that an authority gives for it. */
static struct crypto_cert *request_one(const struct pki_id *ca, char id[65])
{
    struct arena a = {0};
    struct crypto_cert *c = NULL;
    const struct crypto_request_names names = sip_name();
    struct json_value *v = ask(&a, "/v1/certificates/request", 200, NULL, "{'pool':'%s'}", pool);
    CHECK_STR(json_get_string(v, "machine"), node_names[OLD1]);
    snprintf(id, 65, SLICE_FMT, SLICE_ARG(json_get_string(v, "key_id")));
    CHECK_INT(crypto_ca_sign(ca->key, ca->cert, json_get_string(v, "request"), &names,
                             pki_now() + 90 * 24 * PKI_HOUR, &c),
              0);
    arena_fini(&a);
    return c;
}

static void import_one(const struct crypto_cert *c)
{
    struct arena a = {0};
    char *pem = quoted(c, NULL);
    ask(&a, "/v1/certificates", 200, NULL, "{'pool':'%s','cert_pem':%s}", pool, pem);
    mem_free(pem);
    arena_fini(&a);
}

TEST(a_key_stays_where_it_was_made)
{
    struct arena a = {0};
    char id[65];
    struct json_value *v;
    world_start();
    struct pki_id ca = pki_ca("public");
    struct crypto_cert *c = request_one(&ca, id);
    CHECK(has_key_file(OLD1, id));
    CHECK_INT(files_with_key(OLD1, id, world.nodes[OLD1].folder), 1);
    CHECK_INT(files_with_key(OLD1, id, world.nodes[CMS].folder), 0);
    node_stop(&world.nodes[OLD1]); /* and again, before the certificate comes */
    node_start(&world.nodes[OLD1]);
    import_one(c);
    wait_all_current(1);
    CHECK(runs_key(OLD1, id));
    CHECK_INT(files_with_key(OLD1, id, world.nodes[CMS].folder), 0);
    CHECK_INT(files_with_key(OLD1, id, world.nodes[OLD1].folder), 1); /* not in its material either */
    CHECK(!cert_on(NEW1));
    CHECK_INT(api(&a, "GET", "/v1/certificates", "", &v), 200);
    const struct json_value *first = json_at(json_get(v, "certificates"), 0);
    CHECK_STR(json_at(json_get(first, "held_by"), 0)->string, node_names[OLD1]);
    node_stop(&world.nodes[OLD1]); /* it finds the key again */
    node_start(&world.nodes[OLD1]);
    CHECK(runs_key(OLD1, id));
    /* kept by name for another pool, whose machines never may have the key */
    struct crypto_cert *other = request_one(&ca, id);
    char *pem = quoted(other, NULL);
    ask(&a, "/v1/certificates", 200, NULL, "{'pool':'%s','cert_pem':%s,'name':'one'}", pool, pem);
    ask(&a, "/v1/certificates/assign", 409, "certificate.other-pool",
        "{'pool':'new.contoso.example','name':'one'}");
    ask(&a, "/v1/certificates/assign", 200, NULL, "{'pool':'%s','name':'one'}", pool);
    wait_all_current(1);
    CHECK(runs_key(OLD1, id));
    mem_free(pem);
    crypto_cert_unref(other);
    crypto_cert_unref(c);
    pki_fini(&ca);
    arena_fini(&a);
    world_end();
}

static void exports_fitting(const struct crypto_cert *c, const char *by)
{
    struct arena a = {0};
    struct crypto_file f = {0};
    char der[16384];
    struct json_value *v =
        ask(&a, "/v1/certificates/export", 200, NULL, "{'pool':'%s','passphrase':'Secret12'}", pool);
    CHECK_STR(json_get_string(v, "machine"), by);
    ssize_t n = text_unbase64(json_get_string(v, "p12_base64"), der, sizeof(der));
    CHECK_INT(n > 0 ? crypto_file_parse(slice_mem(der, (size_t)n), SLICE("Secret12"), NULL, &f) : -1, 0);
    CHECK_INT(f.key ? crypto_cert_matches(c, f.key) : -1, 0);
    crypto_file_fini(&f);
    arena_fini(&a);
}

TEST(a_machine_that_adopts_gets_the_key)
{
    struct arena a = {0};
    char id[65];
    uint64_t two = 2, three = 3;
    world_start();
    struct pki_id ca = pki_ca("public");
    const struct crypto_request_names names = sip_name();
    struct pki_id first = pki_leaf(&ca, &names, pki_now() + 90 * 24 * PKI_HOUR);
    char *pem = quoted(first.cert, first.key);
    ask(&a, "/v1/certificates", 200, NULL, "{'pool':'%s','cert_pem':%s}", pool, pem);
    struct crypto_cert *c = request_one(&ca, id);
    adopt(true);
    CHECK(wait_until(all_current, &two));
    CHECK(cert_on(NEW1) && !cert_on(NEW1)->key_id.n);
    /* the holder is down: the certificate before goes on, also after a restart */
    node_stop(&world.nodes[OLD1]);
    import_one(c);
    CHECK(wait_until(new_lacks_key, NULL));
    for (int i = 0; i < 2; i++) {
        struct crypto_key *k = NULL;
        CHECK_INT(cert_on(NEW1) ? crypto_key_parse(cert_on(NEW1)->key_pem, &k) : -1, 0);
        CHECK_INT(k ? crypto_cert_matches(first.cert, k) : -1, 0);
        crypto_key_unref(k);
        CHECK(!has_key_file(NEW1, id));
        node_stop(&world.nodes[NEW1]);
        node_start(&world.nodes[NEW1]);
    }
    node_start(&world.nodes[OLD1]);
    CHECK(wait_until(all_current, &two));
    CHECK(runs_key(NEW1, id) && runs_key(OLD1, id) && has_key_file(NEW1, id));
    CHECK_INT(files_with_key(OLD1, id, world.nodes[CMS].folder), 0);
    exports_fitting(c, node_names[OLD1]);
    node_stop(&world.nodes[OLD1]);
    exports_fitting(c, node_names[NEW1]);
    node_start(&world.nodes[OLD1]);
    adopt(false); /* it has no part in the pool any more */
    CHECK(wait_until(all_current, &three));
    CHECK(!has_key_file(NEW1, id) && has_key_file(OLD1, id));
    /* nobody is there to be asked */
    node_stop(&world.nodes[OLD1]);
    ask(&a, "/v1/certificates/export", 503, "certificate.key-away", "{'pool':'%s','passphrase':'Secret12'}",
        pool);
    ask(&a, "/v1/certificates/request", 503, "certificate.machine-silent", "{'pool':'%s'}", pool);
    ask(&a, "/v1/certificates/request", 404, "certificate.no-machine", "{'pool':'%s','machine':'%s'}", pool,
        node_names[NEW1]);
    mem_free(pem);
    crypto_cert_unref(c);
    pki_fini(&first);
    pki_fini(&ca);
    arena_fini(&a);
    world_end();
}

/* --- by hand, with a chosen machine's certificate --- */
static char *file_text(int node, const char *name)
{
    struct buf b = {0};
    CHECK_INT(files_read(world.nodes[node].folder, name, &b), 0);
    return buf_take(&b);
}

static void asked_by_hand(int who, const char *path, const struct key_request *q, unsigned status,
                          const char *id)
{
    struct arena a = {0};
    struct buf body = {0};
    struct bundle b = {0};
    struct key_answer w = {0};
    char url[128];
    char *cert = file_text(who, FILE_CERT), *key = file_text(who, FILE_KEY),
         *machine = file_text(who, FILE_MACHINE);
    CHECK_INT(bundle_machine_parse(slice_str(machine), &a, &b), 0);
    snprintf(url, sizeof(url), "https://%s:4443%s", node_names[OLD1], path);
    key_request_write(q, &body);
    struct calling c = {
        .call = {.method = "POST",
                 .url = url,
                 .body = buf_slice(&body),
                 .content_type = "application/json",
                 .cert_pem = cert,
                 .key_pem = key,
                 .trust_pem = arena_cstr(&a, b.ca_pem)}
    };
    CHECK_INT(net_addr_parse(slice_str(world.nodes[OLD1].address), 4443, &c.call.connect_to), 0);
    call_now(&c);
    CHECK_INT(c.result.status, status);
    CHECK_INT(key_answer_parse(buf_slice(&c.result.body), &a, &w), 0);
    CHECK_STR(w.error_id, id);
    CHECK_INT(w.sealed.n + w.p12.n + w.request.n > 0, *id == 0);
    http_result_fini(&c.result);
    buf_fini(&body);
    mem_free(cert);
    mem_free(key);
    mem_free(machine);
    arena_fini(&a);
}

TEST(others_are_refused)
{
    char id[65];
    const struct slice name = SLICE("sip.contoso.example");
    world_start();
    struct pki_id ca = pki_ca("public"), stranger = pki_ca("another");
    const struct crypto_request_names names = {.common_name = slice_str(node_names[OLD1])};
    struct pki_id forged = pki_leaf(&stranger, &names, pki_now() + PKI_HOUR);
    struct crypto_cert *c = request_one(&ca, id);
    char *newer = file_text(NEW1, FILE_CERT), *own = file_text(OLD1, FILE_CERT);
    struct buf other = {0};
    crypto_cert_write(forged.cert, &other);
    struct key_request q = {.id = slice_str(id), .certificate = slice_str(newer)};
    asked_by_hand(CMS, PUSH_KEY_SEAL_PATH, &q, 403, "replica.key-recipient"); /* not of the pool */
    q.certificate = buf_slice(&other);
    asked_by_hand(CMS, PUSH_KEY_SEAL_PATH, &q, 403, "replica.key-recipient"); /* of another authority */
    q.certificate = slice_str(own);
    asked_by_hand(CMS, PUSH_KEY_SEAL_PATH, &q, 200, "");
    asked_by_hand(NEW1, PUSH_KEY_SEAL_PATH, &q, 403, "replica.not-central");
    q.id = SLICE("../internal");
    asked_by_hand(CMS, PUSH_KEY_SEAL_PATH, &q, 409, "replica.no-key");
    asked_by_hand(CMS, PUSH_KEY_EXPORT_PATH, &q, 409, "replica.no-key");
    q.id = slice_str(id);
    asked_by_hand(CMS, PUSH_KEY_EXPORT_PATH, &q, 400,
                  "replica.key-request"); /* no passphrase that it can open */
    struct key_request make = {
        .pool = SLICE("new.contoso.example"), .kind = SLICE("ecdsa-p256"), .names = {&name, 1}
    };
    asked_by_hand(CMS, PUSH_KEY_MAKE_PATH, &make, 403, "replica.key-pool");
    make.pool = slice_str(pool);
    make.kind = SLICE("rsa-512");
    asked_by_hand(CMS, PUSH_KEY_MAKE_PATH, &make, 400, "replica.key-request");
    buf_fini(&other);
    mem_free(newer);
    mem_free(own);
    crypto_cert_unref(c);
    pki_fini(&forged);
    pki_fini(&stranger);
    pki_fini(&ca);
    world_end();
}

/* A request of an older version, whose key is at central. */
TEST(requests_of_before_still_work)
{
    struct arena a = {0};
    struct buf text = {0}, pem = {0};
    struct store *s = NULL;
    world_start();
    struct pki_id ca = pki_ca("public");
    const struct crypto_request_names names = sip_name();
    struct pki_id id = pki_leaf(&ca, &names, pki_now() + 90 * 24 * PKI_HOUR);
    crypto_key_write(id.key, &pem);
    buf_append(&text, SLICE("[{\"key\":"));
    json_write_string(buf_slice(&pem), &text);
    buf_append(&text, SLICE(",\"request\":\"x\",\"made_ms\":5}]"));
    central_stop();
    CHECK_INT(store_open(world.nodes[CMS].folder, &s), 0);
    CHECK_INT(store_blob_put(s, "pending", slice_str(pool), buf_slice(&text)), 0);
    store_close(s);
    central_start();
    import_one(id.cert);
    wait_all_current(1);
    CHECK(cert_on(OLD1) && !cert_on(OLD1)->key_id.n);
    CHECK_SLICE(cert_on(OLD1)->key_pem, buf_slice(&pem));
    exports_fitting(id.cert, "");
    buf_fini(&text);
    buf_fini(&pem);
    pki_fini(&id);
    pki_fini(&ca);
    arena_fini(&a);
    world_end();
}

/* --- machines of one pool --- */
/* A use's certificate of the pool as a machine has it; the access use lies apart. */
struct held {
    struct slice cert_pem, key_pem, key_id;
};

static struct held held_on(int node, const char *use)
{
    const struct material *m = world.nodes[node].material;
    const struct material_cert *c = m ? material_cert_find(m, slice_str(pool)) : NULL;
    const struct material_use *u =
        m ? material_use_find(m, slice_str(pool), slice_str(use), MATERIAL_CURRENT, pki_now()) : NULL;
    if (strcmp(use, "access-external") == 0)
        return c ? (struct held){c->cert_pem, c->key_pem, c->key_id} : (struct held){0};
    return u ? (struct held){u->cert_pem, u->key_pem, u->key_id} : (struct held){0};
}

struct wanted {
    const char *use, *id;
};

/* Both machines present the same certificate, each with the key. */
static bool both_run(void *arg)
{
    const struct wanted *w = arg;
    bool good = true;
    for (int node = OLD1; good && node <= NEW1; node++) {
        struct held h = held_on(node, w->use);
        struct crypto_key *k = NULL;
        struct crypto_cert *c = NULL;
        good = slice_eq(h.key_id, slice_str(w->id)) && crypto_key_parse(h.key_pem, &k) == 0 &&
               crypto_cert_parse(h.cert_pem, &c) == 0 && crypto_cert_matches(c, k) == 0;
        crypto_key_unref(k);
        crypto_cert_unref(c);
    }
    return good;
}

static struct crypto_cert *request_use(const struct pki_id *ca, const char *use, const char *by, char id[65])
{
    struct arena a = {0};
    struct crypto_cert *c = NULL;
    struct json_value *v =
        ask(&a, "/v1/certificates/request", 200, NULL, "{'pool':'%s','use':'%s'}", pool, use);
    const struct json_value *list = json_get(v, "names");
    struct slice name[4];
    struct crypto_request_names names = {.dns = name};
    CHECK_STR(json_get_string(v, "machine"), by);
    for (; names.n_dns < json_count(list) && names.n_dns < 4; names.n_dns++)
        name[names.n_dns] = json_at(list, names.n_dns)->string;
    names.common_name = names.n_dns ? name[0] : SLICE_NONE;
    snprintf(id, 65, SLICE_FMT, SLICE_ARG(json_get_string(v, "key_id")));
    CHECK_INT(crypto_ca_sign(ca->key, ca->cert, json_get_string(v, "request"), &names,
                             pki_now() + 90 * 24 * PKI_HOUR, &c),
              0);
    arena_fini(&a);
    return c;
}

static void import_use(const char *use, const struct crypto_cert *c)
{
    struct arena a = {0};
    char *pem = quoted(c, NULL);
    ask(&a, "/v1/certificates", 200, NULL, "{'pool':'%s','use':'%s','cert_pem':%s}", pool, use, pem);
    mem_free(pem);
    arena_fini(&a);
}

static void set(const char *what, const char *value)
{
    struct arena a = {0};
    ask(&a, "/v1/draft/set", 200, NULL, "{'path':'edge_pools/" POOL "/%s','value':'%s','author':'t'}", what,
        value);
    arena_fini(&a);
}

static void add_second(const char *to)
{
    struct arena a = {0};
    ask(&a, "/v1/draft/add", 200, NULL,
        "{'path':'edge_pools/%s/machines','assignments':['fqdn=%s','internal_address=%s',"
        "'external_address=127.0.0.3'],'author':'t'}",
        to, node_names[NEW1], world.nodes[NEW1].address);
    arena_fini(&a);
}

/* The second machine leaves its own pool for the first one's, or goes back to its own. */
static void move_second(bool in)
{
    struct arena a = {0};
    ask(&a, "/v1/draft/remove", 200, NULL, "{'path':'edge_pools/%s','author':'t'}",
        in ? "new.contoso.example" : POOL "/machines/new1.contoso.example");
    if (!in)
        ask(&a, "/v1/draft/add", 200, NULL,
            "{'path':'edge_pools','assignments':['fqdn=new.contoso.example','site=hq',"
            "'external_fqdn=sip2.contoso.example'],'author':'t'}");
    add_second(in ? POOL : "new.contoso.example");
    ask(&a, "/v1/publish", 200, NULL, "{'comment':'x','author':'t','accept_warnings':true}");
    arena_fini(&a);
}

static const char *const uses[] = {"access-external", "av-authentication", "xmpp-external",
                                   "conferencing-external"};
enum { USES = sizeof(uses) / sizeof(uses[0]) };

/* Every use of a pool with two machines: whichever machine made the key, both have it and nobody else; a new
 * one is made by the one that is there, and the other gets it when it comes back. */
TEST(machines_of_one_pool_share_every_key)
{
    char id[USES][65], again[65];
    uint64_t two = 2, three = 3;
    world_start();
    struct pki_id ca = pki_ca("public");
    set("av_fqdn", "av.contoso.example");
    set("conf_fqdn", "conf.contoso.example");
    set("xmpp", "true");
    move_second(true);
    CHECK(wait_until(all_current, &two));
    for (size_t i = 0; i < USES; i++) {
        struct crypto_cert *c = request_use(&ca, uses[i], node_names[OLD1], id[i]);
        import_use(uses[i], c);
        CHECK(wait_until(both_run, &(struct wanted){uses[i], id[i]}));
        crypto_cert_unref(c);
    }
    wait_all_current(2);
    for (size_t i = 0; i < USES; i++) {
        CHECK(both_run(&(struct wanted){uses[i], id[i]})); /* the later ones took nothing away */
        CHECK(has_key_file(OLD1, id[i]) && has_key_file(NEW1, id[i]));
        CHECK_INT(files_with_key(OLD1, id[i], world.nodes[CMS].folder), 0);
        CHECK_INT(files_with_key(OLD1, id[i], world.nodes[NEW1].folder), 1);
    }
    node_stop(&world.nodes[OLD1]); /* who made them is gone: the other goes on, also from its disk */
    node_stop(&world.nodes[NEW1]);
    node_start(&world.nodes[NEW1]);
    for (size_t i = 0; i < USES; i++) {
        struct held h = held_on(NEW1, uses[i]);
        CHECK(slice_eq(h.key_id, slice_str(id[i])) && h.key_pem.n > 0);
    }
    for (size_t i = 0; i < USES; i++) { /* and makes the next one */
        struct crypto_cert *c = request_use(&ca, uses[i], node_names[NEW1], again);
        import_use(uses[i], c);
        crypto_cert_unref(c);
        if (i + 1 < USES)
            continue;
        node_start(&world.nodes[OLD1]);
        CHECK(wait_until(both_run, &(struct wanted){uses[i], again}));
        CHECK(has_key_file(OLD1, again));
    }
    CHECK(wait_until(all_current, &two));
    /* the key before still verifies what it signed, on both */
    for (int node = OLD1; node <= NEW1; node++) {
        const struct material_use *u =
            material_use_find(world.nodes[node].material, slice_str(pool), SLICE("av-authentication"),
                              MATERIAL_PREVIOUS, pki_now());
        CHECK(u && slice_eq(u->key_id, slice_str(id[1])) && u->key_pem.n > 0);
    }
    move_second(false); /* it has no part in the pool any more */
    CHECK(wait_until(all_current, &three));
    for (size_t i = 0; i < USES; i++)
        CHECK(!has_key_file(NEW1, id[i]));
    CHECK(!has_key_file(NEW1, again) && has_key_file(OLD1, again));
    pki_fini(&ca);
    world_end();
}

TEST_MAIN(machines_of_one_pool_share_every_key, a_key_stays_where_it_was_made,
          a_machine_that_adopts_gets_the_key, others_are_refused, requests_of_before_still_work)
