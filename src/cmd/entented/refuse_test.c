#include "ground/base/test.h"

#include "cmd/entented/deployment_for_test.h"

#include "ground/base/text.h"
#include "ground/crypto/hash.h"
#include "kept/topology/push.h"

#include <signal.h>
#include <sys/resource.h>

/* Pushes made by hand, over TLS with a chosen machine's certificate; central does not run meanwhile. */
struct credentials {
    char *cert, *key, *ca;
};

static char *file_text(const struct node *n, const char *name)
{
    struct buf b = {0};
    CHECK_INT(files_read(n->folder, name, &b), 0);
    return buf_take(&b);
}

static struct credentials credentials_of(const struct node *n)
{
    struct arena a = {0};
    struct bundle b = {0};
    char *machine = file_text(n, FILE_MACHINE);
    CHECK_INT(bundle_machine_parse(slice_str(machine), &a, &b), 0);
    struct credentials c = {file_text(n, FILE_CERT), file_text(n, FILE_KEY), slice_dup(b.ca_pem)};
    arena_fini(&a);
    mem_free(machine);
    return c;
}

static void credentials_free(struct credentials *c)
{
    mem_free(c->cert);
    mem_free(c->key);
    mem_free(c->ca);
}

/* 0 when there was no answer; the answer lives in a. */
static unsigned push(const struct credentials *who, const struct node *to, struct slice body, struct arena *a,
                     struct push_answer *ret)
{
    char url[128];
    snprintf(url, sizeof(url), "https://%s:4443" PUSH_PATH, to->fqdn);
    struct calling c = {
        .call = {.method = "POST",
                 .url = url,
                 .body = body,
                 .content_type = "application/json",
                 .cert_pem = who->cert,
                 .key_pem = who->key,
                 .trust_pem = who->ca}
    };
    CHECK_INT(net_addr_parse(slice_str(to->address), 4443, &c.call.connect_to), 0);
    call_now(&c);
    memset(ret, 0, sizeof(*ret));
    unsigned status = c.result.status;
    if (status) {
        struct slice text = arena_copy(a, buf_slice(&c.result.body));
        CHECK_INT(push_answer_parse(text, a, ret), 0);
    }
    http_result_fini(&c.result);
    return status;
}

static void push_refused(const struct credentials *who, const struct node *to, struct slice revision,
                         unsigned status, const char *id)
{
    struct arena a = {0};
    struct buf body = {0};
    struct push_answer w;
    uint64_t before = to->revision;
    unsigned applies = to->applies;
    push_request_write(&(struct push_request){.revision = revision}, &body);
    CHECK_INT(push(who, to, buf_slice(&body), &a, &w), status);
    CHECK_STR(w.error_id, id);
    CHECK_INT(w.revision, before); /* the one before still runs */
    CHECK_INT(to->applies, applies);
    buf_fini(&body);
    arena_fini(&a);
}

/* A revision signed by a key that is not central's. */
static void forge(uint64_t number, struct slice content, struct buf *out)
{
    struct revision *r = NULL;
    struct crypto_key *key = crypto_key_new();
    CHECK_INT(revision_new(number, content, SLICE("mallory"), SLICE(""), 1, key, &r), 0);
    revision_write(r, out);
    revision_free(r);
    crypto_key_unref(key);
}

static void add_partner(const char *domain)
{
    char body[256];
    snprintf(body, sizeof(body), "{\"path\":\"partners\",\"assignments\":[\"domain=%s\",\"policy=allowed\"]}",
             domain);
    api_good("POST", "/v1/draft/add", body);
    api_good("POST", "/v1/publish", "{\"accept_warnings\":true}");
}

TEST(bad_revisions_leave_the_old_one)
{
    struct buf forged = {0};
    world_start();
    struct node *n = &world.nodes[OLD1];
    char *first = file_text(n, FILE_REVISION);
    add_partner("a.example");
    wait_all_current(2);
    central_stop();
    struct credentials central = credentials_of(&world.nodes[CMS]);
    char *second = file_text(n, FILE_REVISION);
    push_refused(&central, n, slice_str(first), 409, "replica.older");
    char *at = strstr(second, "a.example");
    CHECK(at != NULL);
    if (at)
        *at = 'b';
    push_refused(&central, n, slice_str(second), 409, "replica.bad-hash");
    forge(9, SLICE("{\"schema\":1}"), &forged);
    push_refused(&central, n, buf_slice(&forged), 409, "replica.bad-signature");
    push_refused(&central, n, SLICE("{\"number\":9}"), 409, "replica.bad-push");
    struct arena a = {0};
    struct push_answer w;
    CHECK_INT(push(&central, n, SLICE("{\"format\":1,\"material\":\"!\"}"), &a, &w), 400);
    CHECK_INT(push(&central, n, SLICE("{\"format\":1,\"material\":\"AAAA\"}"), &a, &w), 409);
    CHECK_STR(w.error_id, "replica.unseal");
    CHECK_INT(push(&central, n, SLICE("{\"format\":1,\"certificate\":\"x\"}"), &a, &w), 409);
    CHECK_STR(w.error_id, "replica.certificate");
    CHECK_INT(push(&central, n, SLICE("{\"format\":1}"), &a, &w), 200);
    CHECK_INT(w.revision, 2);
    CHECK(w.names_ok);
    arena_fini(&a);
    node_stop(n);
    node_start(n);
    CHECK_INT(n->ready_error, 0);
    CHECK_INT(n->revision, 2);
    credentials_free(&central);
    buf_fini(&forged);
    mem_free(first);
    mem_free(second);
    world_end();
}

TEST(only_central_may_push)
{
    world_start();
    struct arena a = {0};
    struct push_answer w;
    struct node *n = &world.nodes[OLD1];
    char *revision = file_text(n, FILE_REVISION);
    struct credentials other = credentials_of(&world.nodes[NEW1]), none = {.ca = other.ca};
    push_refused(&other, n, slice_str(revision), 403, "replica.not-central");
    CHECK_INT(push(&none, n, SLICE("{\"format\":1}"), &a, &w), 0);
    arena_fini(&a);
    credentials_free(&other);
    mem_free(revision);
    world_end();
}

static bool runs_second(void *arg)
{
    return ((struct node *)arg)->revision == 2;
}

static void files_may_grow_to(rlim_t bytes)
{
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(a_full_disk_changes_nothing)
{
    struct arena a = {0};
    struct buf body = {0};
    struct push_answer w;
    world_start();
    struct node *n = &world.nodes[OLD1];
    node_stop(n);
    add_partner("a.example");
    CHECK(wait_until(runs_second, &world.nodes[NEW1]));
    central_stop();
    node_start(n);
    struct credentials central = credentials_of(&world.nodes[CMS]);
    char *second = file_text(&world.nodes[NEW1], FILE_REVISION);
    signal(SIGXFSZ, SIG_IGN);
    files_may_grow_to(100);
    push_refused(&central, n, slice_str(second), 409, "replica.disk");
    files_may_grow_to(RLIM_INFINITY);
    push_request_write(&(struct push_request){.revision = slice_str(second)}, &body);
    CHECK_INT(push(&central, n, buf_slice(&body), &a, &w), 200);
    CHECK_INT(w.revision, 2);
    credentials_free(&central);
    mem_free(second);
    buf_fini(&body);
    arena_fini(&a);
    world_end();
}

static bool why_is_refused(void *arg)
{
    struct arena a = {0};
    struct central_machine_state *list;
    size_t n = central_machines(world.central, &a, &list);
    bool found = false;
    for (size_t i = 0; i < n; i++)
        if (slice_eq(list[i].fqdn, slice_str(((struct node *)arg)->fqdn)))
            found = !list[i].current && slice_starts(list[i].why, SLICE("refused:replica.refused: a port"));
    arena_fini(&a);
    return found;
}

TEST(what_cannot_be_applied_is_refused)
{
    struct arena a = {0};
    struct json_value *v;
    world_start();
    struct node *n = &world.nodes[NEW1];
    n->refuse_comment = "bad";
    api_good("POST", "/v1/draft/set", "{\"path\":\"deployment/timer_c_s\",\"value\":\"200\"}");
    api_good("POST", "/v1/publish", "{\"comment\":\"bad\",\"accept_warnings\":true}");
    CHECK(wait_until(why_is_refused, n));
    CHECK_INT(replica_revision(n->replica), 1);
    CHECK_INT(n->revision, 1);
    CHECK(wait_until(runs_second, &world.nodes[OLD1]));
    CHECK_INT(api(&a, "GET", "/v1/replication", "", &v), 200);
    CHECK(!json_get_bool(v, "current", true));
    CHECK_INT(json_get_int(v, "revision", 0), 2);
    node_stop(n);
    node_start(n); /* what was refused was not stored */
    CHECK_INT(n->ready_error, 0);
    CHECK_INT(n->revision, 1);
    api_good("POST", "/v1/rollback", "{\"number\":1,\"accept_warnings\":true}");
    wait_all_current(3);
    CHECK_INT(n->revision, 3);
    arena_fini(&a);
    world_end();
}

static bool runs_again(void *arg)
{
    return ((struct node *)arg)->revision == 1 && all_current(NULL);
}

TEST(a_damaged_replica_waits_for_better)
{
    world_start();
    struct node *n = &world.nodes[OLD1];
    node_stop(n);
    CHECK_INT(files_write(n->folder, FILE_REVISION, SLICE("{\"number\":1")), 0);
    n->revision = 0;
    node_start(n);
    CHECK(n->ready_error < 0);
    CHECK(wait_until(runs_again, n));
    node_stop(n);
    CHECK_INT(files_write(n->folder, FILE_MATERIAL, SLICE("junk")), 0);
    n->revision = 0;
    node_start(n);
    CHECK(n->ready_error < 0);
    CHECK(wait_until(runs_again, n));
    world_end();
}

TEST(bundles_are_looked_through)
{
    struct arena a = {0};
    struct json_value *v;
    struct buf text = {0};
    char error[256] = "", folder[160];
    world_start();
    snprintf(folder, sizeof(folder), "%s/other", world.root);
    CHECK_INT(api(&a, "POST", "/v1/machines/bundle", "{\"fqdn\":\"new1.contoso.example\"}", &v), 200);
    struct json_value *key = json_get(v, "key");
    struct crypto_key *wrong = crypto_key_new();
    struct slice right = key->string;
    crypto_key_write(wrong, &text);
    key->string = arena_copy(&a, buf_slice(&text));
    buf_clear(&text, SIZE_MAX);
    json_write(v, false, &text);
    CHECK_INT(replica_join(folder, buf_slice(&text), error), -EBADMSG);
    CHECK(strstr(error, "key does not belong") != NULL);
    CHECK_INT(replica_join(folder, SLICE("{}"), error), -EBADMSG);
    key->string = right;
    buf_clear(&text, SIZE_MAX);
    json_write(v, false, &text);
    CHECK_INT(replica_join(world.nodes[NEW1].folder, buf_slice(&text), error), -EEXIST);
    CHECK_INT(replica_join(folder, buf_slice(&text), error), 0);
    api_refused("POST", "/v1/machines/bundle", "{\"fqdn\":\"nobody.contoso.example\"}", 404,
                "machine.unknown");
    api_refused("POST", "/v1/machines/bundle", "{\"fqdn\":\"pbx1.contoso.example\"}", 404, "machine.unknown");
    crypto_key_unref(wrong);
    buf_fini(&text);
    arena_fini(&a);
    world_end();
}

/* --- why a machine is behind: something else answers at its address --- */
static bool why_of_old(void *arg)
{
    struct arena a = {0};
    struct central_machine_state *list;
    size_t n = central_machines(world.central, &a, &list);
    bool found = false;
    for (size_t i = 0; i < n; i++)
        if (slice_eq(list[i].fqdn, slice_str(node_names[OLD1])))
            found = slice_starts(list[i].why, slice_str(arg)) && !list[i].current;
    arena_fini(&a);
    return found;
}

static void not_found(void *arg, struct http_request *rq)
{
    (void)arg;
    http_respond(rq, 200, "text/plain", SLICE("hello"));
}

static void check_why(const struct pki_id *impostor, char *why)
{
    struct net_addr at;
    struct http_server *server = NULL;
    struct tls_ctx *tls = NULL;
    const struct tls_config config = {.server = true, .key = impostor->key, .cert = impostor->cert};
    CHECK_INT(tls_ctx_new(&config, &tls), 0);
    CHECK_INT(net_addr_parse(slice_str(world.nodes[OLD1].address), 4443, &at), 0);
    CHECK_INT(http_server_new(world.loop, &at, tls, not_found, NULL, &server), 0);
    if (!wait_until(why_of_old, why))
        TEST_DIAG("not behind for %s", why);
    http_server_free(server);
    tls_ctx_unref(tls);
}

TEST(status_says_why_a_machine_is_behind)
{
    world_start();
    struct slice name = SLICE("old1.contoso.example");
    const struct crypto_request_names past = {
        .common_name = name, .dns = &name, .n_dns = 1, .not_before_ms = pki_now() - 3 * PKI_HOUR};
    struct pki_id strange = pki_ca("another"), ca = real_authority();
    struct pki_id untrusted = pki_host(&strange, "old1.contoso.example");
    struct pki_id other = pki_host(&ca, "other.contoso.example");
    struct pki_id expired = pki_leaf(&ca, &past, pki_now() - 2 * PKI_HOUR);
    struct pki_id right = pki_host(&ca, "old1.contoso.example");
    node_stop(&world.nodes[OLD1]);
    add_partner("a.example");
    CHECK(wait_until(why_of_old, "route: "));
    check_why(&untrusted, "trust: ");
    check_why(&other, "name: ");
    check_why(&expired, "clock: ");
    check_why(&right, "other: ");
    node_start(&world.nodes[OLD1]);
    wait_all_current(2);
    pki_fini(&strange);
    pki_fini(&ca);
    pki_fini(&untrusted);
    pki_fini(&other);
    pki_fini(&expired);
    pki_fini(&right);
    world_end();
}

TEST_MAIN(bad_revisions_leave_the_old_one, only_central_may_push, a_full_disk_changes_nothing,
          what_cannot_be_applied_is_refused, a_damaged_replica_waits_for_better, bundles_are_looked_through,
          status_says_why_a_machine_is_behind)
