#include "ground/base/test.h"

#include "cmd/entented/deployment_for_test.h"
#include "ground/base/text.h"
#include "ground/crypto/inspect.h"

static const char pool[] = "old.contoso.example";

/* A body of name and value in turns; values beginning with '=' are no strings. */
static char *body_of(const char *const *words)
{
    struct buf b = {0};
    for (size_t i = 0; words[i]; i += 2) {
        buf_printf(&b, "%c\"%s\":", i ? ',' : '{', words[i]);
        if (words[i + 1][0] == '=')
            buf_append(&b, slice_str(words[i + 1] + 1));
        else
            json_write_string(slice_str(words[i + 1]), &b);
    }
    buf_append_char(&b, '}');
    return buf_take(&b);
}

static struct json_value *ask(struct arena *a, const char *path, unsigned status, const char *const *words)
{
    struct json_value *v = NULL;
    char *body = body_of(words);
    unsigned got = api(a, "POST", path, body, &v);
    if (got != status)
        TEST_DIAG("%s: %u, not %u: " SLICE_FMT, path, got, status, SLICE_ARG(json_get_string(v, "text")));
    mem_free(body);
    return v;
}
#define ASK(a, path, status, ...) ask(a, path, status, (const char *const[]){__VA_ARGS__, NULL})
#define REFUSED(a, path, status, want, ...)                                                                  \
    CHECK_STR(json_get_string(ASK(a, path, status, __VA_ARGS__), "id"), want)

static char *pem_text(const struct crypto_cert *c, const struct crypto_key *k)
{
    struct buf b = {0};
    if (c)
        crypto_cert_write(c, &b);
    if (k)
        crypto_key_write(k, &b);
    return buf_take(&b);
}

static char *p12_text(const struct pki_id *id, const char *passphrase)
{
    struct buf der = {0}, text = {0};
    CHECK_INT(crypto_p12_write_old(id->key, id->cert, slice_str(passphrase), &der), 0);
    text_base64(&text, buf_slice(&der).p, buf_slice(&der).n);
    buf_fini(&der);
    return buf_take(&text);
}

static bool has_finding(const struct json_value *answer, const char *id)
{
    const struct json_value *list = json_get(answer, "findings");
    for (size_t i = 0; i < json_count(list); i++)
        if (slice_eq(json_get_string(json_at(list, i), "id"), slice_str(id)))
            return true;
    return false;
}

static struct slice last_name(struct arena *a, int node)
{
    struct crypto_cert *c = NULL;
    const struct material_cert *mc = material_cert_find(world.nodes[node].material, slice_str(pool));
    if (!mc || crypto_cert_parse(mc->cert_pem, &c) < 0)
        return SLICE("none");
    struct slice s = arena_copy(a, crypto_cert_names(c)->dns[crypto_cert_names(c)->n_dns - 1]);
    crypto_cert_unref(c);
    return s;
}

static struct pki_id lasting(const struct pki_id *ca, const char *other, unsigned days)
{
    const struct slice dns[] = {SLICE("sip.contoso.example"), slice_str(other)};
    const struct crypto_request_names names = {.common_name = dns[0], .dns = dns, .n_dns = 2};
    return pki_leaf(ca, &names, pki_now() + days * 24 * PKI_HOUR);
}

static struct pki_id external(const struct pki_id *ca, const char *other)
{
    return lasting(ca, other, 100);
}

TEST(kept_by_name_then_assigned)
{
    struct arena a = {0};
    world_start();
    struct pki_id ca = pki_ca("public"), one = external(&ca, "one.example"),
                  two = external(&ca, "two.example");
    char *p12 = p12_text(&one, "Secret12"), *pem = pem_text(two.cert, two.key);
    REFUSED(&a, "/v1/certificates", 422, "certificate.passphrase", "pool", pool, "cert_base64", p12, "name",
            "one");
    REFUSED(&a, "/v1/certificates", 422, "certificate.bad-name", "pool", pool, "cert_base64", p12,
            "passphrase", "Secret12", "name", "../one");
    struct json_value *v = ASK(&a, "/v1/certificates", 200, "pool", pool, "cert_base64", p12, "passphrase",
                               "Secret12", "name", "one");
    CHECK(!json_get_bool(v, "assigned", true));
    CHECK(has_finding(v, "certificate.domains-missing"));
    CHECK_INT(json_get_int(v, "chain", 0), 2);
    REFUSED(&a, "/v1/certificates", 409, "certificate.name-taken", "pool", pool, "cert_pem", pem, "name",
            "one");
    ASK(&a, "/v1/certificates", 200, "pool", pool, "cert_pem", pem, "name", "two");
    CHECK_INT(world.nodes[OLD1].material->n_certs, 0);
    REFUSED(&a, "/v1/certificates/assign", 404, "certificate.unknown-name", "pool", pool, "name", "three");
    REFUSED(&a, "/v1/certificates/assign", 422, "certificate.unknown-use", "pool", pool, "name", "one", "use",
            "door");
    REFUSED(&a, "/v1/certificates/assign", 422, "certificate.internal-use", "pool", pool, "name", "one",
            "use", "central");
    REFUSED(&a, "/v1/certificates/assign", 409, "certificate.unused", "pool", pool, "name", "one", "use",
            "xmpp-external");
    ASK(&a, "/v1/certificates/assign", 200, "pool", pool, "name", "one");
    wait_all_current(1);
    CHECK_STR(last_name(&a, OLD1), "one.example");
    /* one machine of the pool differs */
    ASK(&a, "/v1/certificates/assign", 200, "pool", "old1.contoso.example", "name", "two");
    wait_all_current(1);
    CHECK_STR(last_name(&a, OLD1), "two.example");
    CHECK_INT(world.nodes[OLD1].material->n_certs, 1);
    CHECK_INT(world.nodes[NEW1].material->n_certs, 0);
    REFUSED(&a, "/v1/certificates/remove", 409, "certificate.in-use", "name", "two");
    CHECK_INT(api(&a, "GET", "/v1/certificates", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "kept")), 2);
    CHECK_STR(json_at(json_get(json_at(json_get(v, "kept"), 1), "in_use"), 0)->string,
              "old1.contoso.example access-external");
    CHECK_INT(json_count(json_get(v, "machines")), 3);
    ASK(&a, "/v1/certificates", 200, "pool", pool, "cert_pem", pem); /* put into use at once */
    ASK(&a, "/v1/certificates/remove", 200, "name", "one");
    mem_free(p12);
    mem_free(pem);
    pki_fini(&ca);
    pki_fini(&one);
    pki_fini(&two);
    arena_fini(&a);
    world_end();
}

TEST(a_request_waits_for_its_certificate)
{
    struct arena a = {0};
    world_start();
    struct pki_id ca = pki_ca("public");
    struct crypto_cert *issued = NULL;
    struct crypto_file f = {0};
    REFUSED(&a, "/v1/certificates/request", 422, "certificate.key-kind", "pool", pool, "key", "rsa-512");
    REFUSED(&a, "/v1/certificates/request", 404, "certificate.unknown-pool", "pool", "x.example");
    struct json_value *v = ASK(&a, "/v1/certificates/request", 200, "pool", pool, "key", "rsa-2048");
    struct slice request = json_get_string(v, "request"), name = SLICE("sip.contoso.example");
    const struct crypto_request_names names = {.common_name = name, .dns = &name, .n_dns = 1};
    CHECK_STR(json_at(json_get(v, "names"), 0)->string, "sip.contoso.example");
    ASK(&a, "/v1/certificates/request", 200, "pool", pool); /* another does not push it out */
    CHECK_INT(crypto_ca_sign(ca.key, ca.cert, request, &names, pki_now() + 100 * 24 * PKI_HOUR, &issued), 0);
    char *pem = pem_text(issued, NULL);
    REFUSED(&a, "/v1/certificates", 422, "certificate.no-key", "pool", "new.contoso.example", "cert_pem",
            pem);
    ASK(&a, "/v1/certificates", 200, "pool", pool, "cert_pem", pem);
    REFUSED(&a, "/v1/certificates", 422, "certificate.no-key", "pool", pool, "cert_pem", pem);
    CHECK_INT(api(&a, "GET", "/v1/certificates", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "pending")), 1);
    CHECK_STR(json_get_string(json_at(json_get(v, "certificates"), 0), "key"), "RSA 2048");
    /* and out again, for another Edge */
    REFUSED(&a, "/v1/certificates/export", 422, "certificate.passphrase-short", "pool", pool, "passphrase",
            "x");
    REFUSED(&a, "/v1/certificates/export", 404, "certificate.none", "pool", "new.contoso.example",
            "passphrase", "Secret12");
    v = ASK(&a, "/v1/certificates/export", 200, "pool", pool, "passphrase", "Secret12", "old_windows",
            "=true");
    char der[16384];
    ssize_t n = text_unbase64(json_get_string(v, "p12_base64"), der, sizeof(der));
    CHECK_INT(crypto_file_parse(slice_mem(der, (size_t)n), SLICE("Secret12"), NULL, &f), 0);
    CHECK_INT(crypto_cert_matches(issued, f.key), 0);
    crypto_file_fini(&f);
    mem_free(pem);
    crypto_cert_unref(issued);
    pki_fini(&ca);
    arena_fini(&a);
    world_end();
}

static bool has_other_cert(void *arg)
{
    unsigned char now[32];
    crypto_cert_fingerprint(world.nodes[OLD1].cert, now);
    return memcmp(now, arg, sizeof(now)) != 0;
}

TEST(internal_ones_are_signed_and_renewed)
{
    struct arena a = {0};
    unsigned char before[32];
    world_start();
    wait_all_current(1);
    struct crypto_key *key = crypto_key_new();
    struct slice evil = SLICE("bank.example");
    const struct crypto_request_names names = {.common_name = evil, .dns = &evil, .n_dns = 1};
    struct buf request = {0};
    struct crypto_cert *c = NULL;
    CHECK_INT(crypto_request_new(key, &names, &request), 0);
    char *text = buf_take(&request);
    REFUSED(&a, "/v1/certificates/sign", 404, "machine.unknown", "machine", "x.example", "request", text);
    REFUSED(&a, "/v1/certificates/sign", 422, "certificate.external-use", "machine", "old1.contoso.example",
            "request", text, "use", "access-external");
    REFUSED(&a, "/v1/certificates/sign", 422, "certificate.unknown-use", "machine", "old1.contoso.example",
            "request", text, "use", "door");
    REFUSED(&a, "/v1/certificates/sign", 409, "certificate.unused", "machine", "old1.contoso.example",
            "request", text, "use", "front-end");
    ASK(&a, "/v1/certificates/sign", 200, "machine", "old1.contoso.example", "request", text, "use",
        "internal-edge");
    REFUSED(&a, "/v1/certificates/sign", 422, "machine.request", "machine", "old1.contoso.example", "request",
            "x");
    struct json_value *v = ASK(&a, "/v1/certificates/sign", 200, "machine", "old1.contoso.example", "request",
                               text, "use", "internal");
    CHECK_INT(crypto_cert_parse(json_get_string(v, "cert_pem"), &c), 0);
    CHECK(crypto_cert_names_host(c, SLICE("old1.contoso.example")) && !crypto_cert_names_host(c, evil));
    CHECK_INT(crypto_cert_matches(c, key), 0);
    crypto_cert_unref(c);
    REFUSED(&a, "/v1/machines/renew", 404, "machine.unknown", "fqdn", "x.example");
    crypto_cert_fingerprint(world.nodes[OLD1].cert, before);
    ASK(&a, "/v1/machines/renew", 200, "fqdn", "old1.contoso.example");
    CHECK(wait_until(has_other_cert, before));
    wait_all_current(1);
    mem_free(text);
    crypto_key_unref(key);
    arena_fini(&a);
    world_end();
}

TEST(required_says_what_is_wrong)
{
    struct arena a = {0};
    struct json_value *v;
    world_start();
    struct pki_id ca = pki_ca("public"), id = external(&ca, "one.example");
    char *pem = pem_text(id.cert, id.key);
    api_refused("GET", "/v1/certificates/required?owner=x.example", "", 404, "certificate.unknown-pool");
    api_refused("GET", "/v1/certificates/required?use=door", "", 422, "certificate.unknown-use");
    CHECK_INT(api(&a, "GET", "/v1/certificates/required?use=internal", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "required")), 4); /* two Edges, central, the PBX */
    CHECK_INT(api(&a, "GET", "/v1/certificates/required?use=Access", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "required")), 2);
    CHECK_INT(api(&a, "GET", "/v1/certificates/required?owner=old.contoso.example", "", &v), 200);
    const struct json_value *first = json_at(json_get(v, "required"), 0);
    CHECK_STR(json_get_string(first, "use"), "access-external");
    CHECK_STR(json_get_string(first, "state"), "none");
    ASK(&a, "/v1/certificates", 200, "pool", pool, "cert_pem", pem);
    CHECK_INT(api(&a, "GET", "/v1/certificates/required", "", &v), 200);
    CHECK_STR(json_get_string(json_at(json_get(v, "required"), 0), "state"), "warnings");
    CHECK(has_finding(json_at(json_get(v, "required"), 0), "certificate.domains-missing"));
    mem_free(pem);
    pki_fini(&ca);
    pki_fini(&id);
    arena_fini(&a);
    world_end();
}

/* --- one for A/V authentication after another --- */
static const char *state_of(struct arena *a, const char *name)
{
    struct json_value *v;
    CHECK_INT(api(a, "GET", "/v1/certificates", "", &v), 200);
    const struct json_value *list = json_get(v, "certificates");
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *c = json_at(list, i), *names = json_get(c, "names");
        if (slice_eq(json_at(names, json_count(names) - 1)->string, slice_str(name)))
            return arena_cstr(a, json_get_string(c, "state"));
    }
    return "none";
}

static struct slice av_of_machine(enum material_age age, int64_t at)
{
    const struct material_use *u =
        material_use_find(world.nodes[OLD1].material, slice_str(pool), SLICE("av-authentication"), age, at);
    return u ? u->cert_pem : SLICE_NONE;
}

TEST(av_authentication_changes_over_at_its_time)
{
    struct arena a = {0};
    char from[32], late[32];
    int64_t at = pki_now() + 24 * PKI_HOUR;
    uint64_t two = 2;
    world_start();
    struct pki_id ca = pki_ca("public"), one = external(&ca, "one.example"),
                  next = lasting(&ca, "next.example", 300);
    char *first = pem_text(one.cert, one.key), *second = pem_text(next.cert, next.key);
    char *first_cert = pem_text(one.cert, NULL), *second_cert = pem_text(next.cert, NULL);
    snprintf(from, sizeof(from), "=%lld", (long long)at);
    snprintf(late, sizeof(late), "=%lld", (long long)(crypto_cert_not_after(one.cert) + PKI_HOUR));
    REFUSED(&a, "/v1/certificates", 409, "certificate.unused", "pool", pool, "cert_pem", first, "use",
            "av-auth");
    api_good("POST", "/v1/draft/set",
             "{\"path\":\"edge_pools/old.contoso.example/"
             "av_fqdn\",\"value\":\"av.contoso.example\",\"author\":\"t\"}");
    api_good("POST", "/v1/publish", "{\"comment\":\"av\",\"author\":\"t\",\"accept_warnings\":true}");
    ASK(&a, "/v1/certificates", 200, "pool", pool, "cert_pem", first, "use", "av-auth");
    CHECK_STR(slice_str(state_of(&a, "one.example")), "current");
    REFUSED(&a, "/v1/certificates", 422, "certificate.overlap-gap", "pool", pool, "cert_pem", second, "use",
            "av-auth", "from_ms", late);
    REFUSED(&a, "/v1/certificates", 422, "certificate.no-overlap", "pool", pool, "cert_pem", second,
            "from_ms", from);
    REFUSED(&a, "/v1/certificates", 422, "certificate.kept-has-no-date", "pool", pool, "cert_pem", second,
            "use", "av-auth", "from_ms", from, "name", "next");
    REFUSED(&a, "/v1/certificates", 422, "certificate.overlap-range", "pool", pool, "cert_pem", second, "use",
            "av-auth", "overlap_ms", "=-1");
    ASK(&a, "/v1/certificates", 200, "pool", pool, "cert_pem", second, "use", "AudioVideoAuthentication",
        "name", "next");
    struct json_value *v = ASK(&a, "/v1/certificates/assign", 200, "pool", pool, "name", "next", "use",
                               "av-auth", "from_ms", from, "overlap_ms", "=7200000");
    CHECK(has_finding(v, "certificate.overlap-brief"));
    CHECK(json_get_bool(v, "later", false));
    CHECK_INT(json_get_int(v, "until_ms", 0), at + 7200000);
    CHECK_STR(slice_str(state_of(&a, "one.example")), "current");
    CHECK_STR(slice_str(state_of(&a, "next.example")), "next");
    CHECK(wait_until(all_current, &two));
    CHECK_SLICE(av_of_machine(MATERIAL_CURRENT, loop_wall()), slice_str(first_cert));
    CHECK_SLICE(av_of_machine(MATERIAL_NEXT, loop_wall()), slice_str(second_cert));
    CHECK_SLICE(av_of_machine(MATERIAL_CURRENT, at), slice_str(second_cert));
    CHECK_SLICE(av_of_machine(MATERIAL_PREVIOUS, at + 7199999), slice_str(first_cert));
    CHECK_INT(av_of_machine(MATERIAL_PREVIOUS, at + 7200000).n, 0);
    REFUSED(&a, "/v1/certificates/remove", 409, "certificate.in-use", "name", "next");
    mem_free(first);
    mem_free(second);
    mem_free(first_cert);
    mem_free(second_cert);
    pki_fini(&ca);
    pki_fini(&one);
    pki_fini(&next);
    arena_fini(&a);
    world_end();
}

TEST_MAIN(av_authentication_changes_over_at_its_time, kept_by_name_then_assigned,
          a_request_waits_for_its_certificate, internal_ones_are_signed_and_renewed,
          required_says_what_is_wrong)
