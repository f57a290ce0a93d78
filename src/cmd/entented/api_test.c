#include "ground/base/test.h"

#include "cmd/entented/deployment_for_test.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- drafts --- */
TEST(drafts_are_guarded_by_their_version)
{
    struct arena a = {0};
    struct json_value *v;
    world_start();
    CHECK_INT(api(&a, "GET", "/v1/draft?format=json", "", &v), 200);
    CHECK(!json_get_bool(v, "draft", true));
    CHECK_INT(json_get_int(v, "version", -1), 0);
    CHECK_INT(api(&a, "POST", "/v1/draft/set",
                  "{\"path\":\"deployment/timer_c_s\",\"value\":200,\"version\":0}", &v),
              200);
    int64_t version = json_get_int(v, "version", 0);
    CHECK(version > 0);
    api_refused("POST", "/v1/draft/set", "{\"path\":\"deployment/timer_c_s\",\"value\":300,\"version\":0}",
                409, "draft.changed");
    api_refused("POST", "/v1/publish", "{\"version\":77}", 409, "draft.changed");
    CHECK_INT(api(&a, "GET", "/v1/draft?path=deployment/timer_c_s&format=json", "", &v), 200);
    CHECK_INT(json_get_int(v, "document", 0), 200);
    CHECK_INT(api(&a, "GET", "/v1/diff", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "changes")), 1);
    CHECK(json_get_string(v, "text").n > 0);
    api_refused("GET", "/v1/draft?path=no/where", "", 404, "topology.no-such-path");
    CHECK_INT(api(&a, "POST", "/v1/draft/set", "{\"path\":\"deployment/timer\",\"value\":300}", &v), 422);
    CHECK(json_count(json_get(v, "findings")) > 0);
    api_good("DELETE", "/v1/draft", "");
    api_refused("POST", "/v1/publish", "{}", 409, "publish.nothing");
    arena_fini(&a);
    world_end();
}

/* The body of a change by somebody: {"text", "version", "base_revision", "author"}. */
static char *put_body(const char *text, int64_t version, const char *author)
{
    struct buf body = {0};
    buf_printf(&body, "{\"author\":\"%s\",\"version\":%lld,\"base_revision\":1,\"text\":", author,
               (long long)version);
    json_write_string(slice_str(text), &body);
    buf_append(&body, SLICE("}"));
    return buf_take(&body);
}

TEST(who_came_first_is_told)
{
    struct arena a = {0};
    struct json_value *v;
    struct buf text = {0};
    world_start();
    topology_text(&text);
    char *yaml = buf_take(&text), *mine = put_body(yaml, 0, "bob");
    api_good("POST", "/v1/draft/set",
             "{\"path\":\"deployment/timer_c_s\",\"value\":200,\"author\":\"alice\"}");
    CHECK_INT(api(&a, "PUT", "/v1/draft", mine, &v), 409);
    CHECK_STR(json_get_string(v, "id"), "draft.changed");
    const struct json_value *theirs = json_get(v, "theirs");
    CHECK_STR(json_get_string(theirs, "author"), "alice");
    CHECK(json_get_int(theirs, "time_ms", 0) > 0);
    CHECK_INT(api(&a, "GET", "/v1/draft?path=deployment/timer_c_s&format=json", "", &v), 200);
    CHECK_INT(json_get_int(v, "document", 0), 200); /* nothing is overwritten */
    CHECK_STR(json_get_string(v, "author"), "alice");
    int64_t version = json_get_int(v, "version", 0);
    api_good("POST", "/v1/publish", "{\"author\":\"carol\",\"comment\":\"why\",\"accept_warnings\":true}");
    mem_free(mine);
    mine = put_body(yaml, version, "bob");
    CHECK_INT(api(&a, "PUT", "/v1/draft", mine, &v), 409);
    theirs = json_get(v, "theirs");
    CHECK_STR(json_get_string(theirs, "author"), "carol");
    CHECK_STR(json_get_string(theirs, "comment"), "why");
    CHECK_INT(json_get_int(theirs, "number", 0), 2);
    mem_free(mine);
    mine = put_body(yaml, 0, "bob"); /* made from revision 1: it would undo revision 2 */
    api_good("PUT", "/v1/draft", mine);
    api_refused("POST", "/v1/publish", "{\"accept_warnings\":true}", 409, "draft.stale");
    mem_free(mine);
    mem_free(yaml);
    arena_fini(&a);
    world_end();
}

static void draft_from_revision_1(const char *more)
{
    struct buf text = {0};
    topology_text(&text);
    buf_append(&text, slice_str(more));
    char *yaml = buf_take(&text), *body = put_body(yaml, 0, "bob");
    api_good("PUT", "/v1/draft", body);
    mem_free(body);
    mem_free(yaml);
}

/* What was published since stays, what was drafted comes on top; what both changed is told and left alone. */
TEST(a_stale_draft_is_carried_over)
{
    struct arena a = {0};
    struct json_value *v;
    world_start();
    api_refused("POST", "/v1/draft/rebase", "{}", 409, "draft.none");
    api_good("POST", "/v1/draft/set",
             "{\"path\":\"deployment/timer_c_s\",\"value\":200,\"author\":\"alice\"}");
    api_good("POST", "/v1/publish", "{\"author\":\"carol\",\"accept_warnings\":true}");
    draft_from_revision_1("partners:\n- domain: x.example\n");
    api_refused("POST", "/v1/publish", "{\"accept_warnings\":true}", 409, "draft.stale");
    CHECK_INT(api(&a, "POST", "/v1/draft/rebase", "{\"author\":\"bob\"}", &v), 200);
    CHECK_INT(json_get_int(v, "carried", -1), 1);
    CHECK_INT(json_get_int(v, "base_revision", 0), 2);
    CHECK_INT(api(&a, "GET", "/v1/diff", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "changes")), 1); /* timer_c_s is as published */
    api_good("POST", "/v1/publish", "{\"accept_warnings\":true}");
    draft_from_revision_1("");
    api_good("POST", "/v1/draft/set", "{\"path\":\"deployment/timer_c_s\",\"value\":300}");
    CHECK_INT(api(&a, "POST", "/v1/draft/rebase", "{}", &v), 409);
    CHECK_STR(json_get_string(v, "id"), "draft.conflicts");
    CHECK_STR(json_get_string(json_at(json_get(v, "findings"), 0), "path"), "deployment/timer_c_s");
    CHECK_INT(api(&a, "GET", "/v1/draft?path=deployment/timer_c_s&format=json", "", &v), 200);
    CHECK_INT(json_get_int(v, "document", 0), 300); /* nothing is overwritten */
    api_refused("POST", "/v1/draft/rebase", "{\"keep\":\"ours\"}", 400, "draft.keep");
    api_refused("POST", "/v1/draft/rebase", "{\"version\":1}", 409, "draft.conflicts");
    api_refused("POST", "/v1/draft/rebase", "{\"version\":1,\"keep\":\"mine\"}", 409, "draft.changed");
    api_good("POST", "/v1/draft/rebase", "{\"keep\":\"mine\"}");
    CHECK_INT(api(&a, "GET", "/v1/draft?path=deployment/timer_c_s&format=json", "", &v), 200);
    CHECK_INT(json_get_int(v, "document", 0), 300);
    CHECK_INT(api(&a, "GET", "/v1/draft?path=partners/x.example&format=json", "", &v), 200);
    arena_fini(&a);
    world_end();
}

static const struct json_value *first_finding(struct arena *a, const char *text, int64_t *ret_errors,
                                              bool *ret_topology)
{
    struct json_value *v;
    char *body = put_body(text, 0, "me");
    CHECK_INT(api(a, "POST", "/v1/check", body, &v), 200);
    mem_free(body);
    *ret_errors = json_get_int(v, "errors", -1);
    *ret_topology = json_get_bool(v, "topology", false);
    return json_at(json_get(v, "findings"), 0);
}

TEST(a_text_is_checked_by_line)
{
    struct arena a = {0};
    struct buf text = {0};
    int64_t errors;
    bool topology;
    const struct json_value *f;
    world_start();
    topology_text(&text);
    char *yaml = buf_take(&text), *federation = strstr(yaml, "  federation: true\n");
    f = first_finding(&a, yaml, &errors, &topology);
    CHECK(topology && errors == 0);
    f = first_finding(&a, "schema: 1\nsites:\n- name: [\n", &errors, &topology);
    CHECK(!topology && errors == 1);
    CHECK(json_get_int(f, "line", 0) >= 3);
    f = first_finding(&a, "schema: 1\ndeployment:\n  nme: x\n", &errors, &topology);
    CHECK(!topology && errors > 0);
    CHECK_INT(json_get_int(f, "line", 0), 3);
    memcpy(federation, "  federation: null", 18); /* a check, not the parser */
    f = first_finding(&a, yaml, &errors, &topology);
    CHECK(topology && errors > 0);
    CHECK_STR(json_get_string(f, "path"), "sites/hq/federation_route");
    CHECK_INT(json_get_int(f, "line", 0), 10);
    mem_free(yaml);
    arena_fini(&a);
    world_end();
}

TEST(a_difference_is_a_patch)
{
    struct arena a = {0};
    struct json_value *v;
    world_start();
    api_good("POST", "/v1/draft/set", "{\"path\":\"deployment/timer_c_s\",\"value\":200}");
    CHECK_INT(api(&a, "GET", "/v1/diff?format=patch", "", &v), 200);
    const struct json_value *op = json_at(json_get(v, "patch"), 0);
    CHECK_STR(json_get_string(op, "op"), "add");
    CHECK_STR(json_get_string(op, "path"), "/deployment/timer_c_s");
    CHECK_INT(json_get_int(op, "value", 0), 200);
    arena_fini(&a);
    world_end();
}

TEST(documents_are_put_as_yaml_or_json)
{
    struct arena a = {0};
    struct json_value *v;
    struct buf text = {0}, body = {0};
    world_start();
    topology_text(&text);
    buf_append(&text, SLICE("partners:\n- domain: a.example\n  policy: allowed\n"));
    buf_append(&body, SLICE("{\"author\":\"me\",\"text\":"));
    json_write_string(buf_slice(&text), &body);
    buf_append(&body, SLICE("}"));
    char *json = buf_take(&body), *yaml = buf_take(&text);
    api_good("PUT", "/v1/draft", json);
    api_good("PUT", "/v1/draft", yaml);
    CHECK_INT(api(&a, "GET", "/v1/draft?path=partners&format=yaml", "", &v), 200);
    CHECK(slice_search(json_get_string(v, "text"), SLICE("a.example")) != SIZE_MAX);
    api_refused("PUT", "/v1/draft", "schema: [", 422, "draft.syntax");
    api_refused("PUT", "/v1/draft", "schema: 1\nnonsense: 2\n", 422, "draft.not-a-topology");
    CHECK_INT(api(&a, "GET", "/v1/check", "", &v), 200);
    CHECK_INT(json_get_int(v, "errors", -1), 0);
    mem_free(json);
    mem_free(yaml);
    arena_fini(&a);
    world_end();
}

TEST(publishing_names_errors_and_asks_on_warnings)
{
    struct arena a = {0};
    struct json_value *v;
    world_start();
    api_good("POST", "/v1/draft/set",
             "{\"path\":\"sites/hq/federation_route\",\"value\":\"new.contoso.example\"}");
    CHECK_INT(api(&a, "POST", "/v1/publish", "{\"accept_warnings\":true}", &v), 422);
    CHECK_STR(json_get_string(v, "id"), "publish.errors");
    CHECK(json_count(json_get(v, "findings")) > 0);
    CHECK_INT(central_revision(world.central), 1);
    api_good("DELETE", "/v1/draft", "");
    api_good("POST", "/v1/draft/set", "{\"path\":\"central/machine\",\"value\":\"old1.contoso.example\"}");
    CHECK_INT(api(&a, "POST", "/v1/publish", "{\"accept_warnings\":true}", &v), 422);
    api_good("DELETE", "/v1/draft", "");
    api_good("POST", "/v1/draft/set",
             "{\"path\":\"edge_pools/new.contoso.example/federation\",\"value\":\"true\"}");
    api_good("POST", "/v1/draft/set",
             "{\"path\":\"edge_pools/new.contoso.example/next_hop\",\"value\":\"pbx.contoso.example\"}");
    CHECK_INT(api(&a, "POST", "/v1/publish", "{}", &v), 409);
    CHECK_STR(json_get_string(v, "id"), "publish.warnings");
    CHECK_INT(api(&a, "POST", "/v1/publish", "{\"accept_warnings\":true}", &v), 200);
    CHECK_INT(json_get_int(v, "number", 0), 2);
    wait_all_current(2);
    arena_fini(&a);
    world_end();
}

/* --- publishing past a draft, as a transition does --- */
struct published {
    bool done;
    int error;
    uint64_t number;
};

static void on_published(void *arg, int error, uint64_t number, const char *text)
{
    struct published *p = arg;
    CHECK(error == 0 || *text);
    *p = (struct published){true, error, number};
}

static bool published_is_done(void *arg)
{
    return ((struct published *)arg)->done;
}

TEST(a_draft_that_was_overtaken_is_not_published)
{
    struct arena a = {0};
    struct published p = {0};
    world_start();
    struct topology *t = central_topology(world.central);
    struct json_value *doc = topology_to_json(t, &a), *broken = json_object(&a);
    api_good("POST", "/v1/draft/set", "{\"path\":\"deployment/timer_c_s\",\"value\":200}");
    central_publish(world.central, doc, SLICE("transition"), SLICE("step"), on_published, &p);
    CHECK(wait_until(published_is_done, &p));
    CHECK_INT(p.error, 0);
    CHECK_INT(p.number, 2);
    p.done = false;
    central_publish(world.central, broken, SLICE("transition"), SLICE("step"), on_published, &p);
    CHECK(wait_until(published_is_done, &p));
    CHECK_INT(p.error, -EINVAL);
    api_refused("POST", "/v1/publish", "{\"accept_warnings\":true}", 409, "draft.stale");
    topology_unref(t);
    arena_fini(&a);
    world_end();
}

/* --- secrets --- */
static char *certificate_body(const char *pool, const struct pki_id *cert, const struct pki_id *key)
{
    struct buf pem = {0}, body = {0};
    buf_printf(&body, "{\"pool\":\"%s\",\"cert_pem\":", pool);
    crypto_cert_write(cert->cert, &pem);
    json_write_string(buf_slice(&pem), &body);
    buf_clear(&pem, SIZE_MAX);
    crypto_key_write(key->key, &pem);
    buf_append(&body, SLICE(",\"key_pem\":"));
    json_write_string(buf_slice(&pem), &body);
    buf_append(&body, SLICE("}"));
    buf_fini(&pem);
    return buf_take(&body);
}

static void import_refused(const char *pool, const struct pki_id *cert, const struct pki_id *key,
                           unsigned status, const char *id)
{
    char *body = certificate_body(pool, cert, key);
    api_refused("POST", "/v1/certificates", body, status, id);
    mem_free(body);
}

TEST(certificates_reach_their_machines_alone)
{
    struct arena a = {0};
    struct json_value *v;
    struct slice *names;
    size_t n;
    int64_t end;
    world_start();
    struct pki_id ca = pki_ca("public"), good = pki_host(&ca, "sip.contoso.example");
    struct slice name = SLICE("sip.contoso.example");
    const struct crypto_request_names expired_names = {
        .common_name = name, .dns = &name, .n_dns = 1, .not_before_ms = pki_now() - 3 * PKI_HOUR};
    struct pki_id expired = pki_leaf(&ca, &expired_names, pki_now() - PKI_HOUR);
    struct pki_id other = pki_host(&ca, "other.example");
    import_refused("none.contoso.example", &good, &good, 404, "certificate.unknown-pool");
    import_refused("old.contoso.example", &good, &other, 422, "certificate.other-key");
    import_refused("old.contoso.example", &other, &other, 422, "certificate.name");
    import_refused("old.contoso.example", &expired, &expired, 422, "certificate.expired");
    CHECK(!central_certificate_names(world.central, SLICE("old.contoso.example"), &a, &names, &n, &end));
    char *body = certificate_body("old.contoso.example", &good, &good);
    api_good("POST", "/v1/certificates", body);
    wait_all_current(1);
    CHECK_INT(world.nodes[OLD1].material->n_certs, 1);
    CHECK_INT(world.nodes[NEW1].material->n_certs, 0);
    CHECK_INT(world.nodes[CMS].material->n_certs, 0);
    CHECK(world.nodes[OLD1].material->n_keys == 1);
    CHECK(central_certificate_names(world.central, SLICE("old.contoso.example"), &a, &names, &n, &end));
    CHECK_INT(n, 1);
    CHECK_STR(names[0], "sip.contoso.example");
    CHECK_INT(api(&a, "GET", "/v1/certificates", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "certificates")), 1);
    api_good("POST", "/v1/draft/set",
             "{\"path\":\"edge_pools/new.contoso.example/federation\",\"value\":\"true\"}");
    api_good("POST", "/v1/draft/set",
             "{\"path\":\"edge_pools/new.contoso.example/next_hop\",\"value\":\"pbx.contoso.example\"}");
    api_good("POST", "/v1/draft/set",
             "{\"path\":\"edge_pools/new.contoso.example/adopts\",\"value\":\"old.contoso.example\"}");
    api_good("POST", "/v1/publish", "{\"accept_warnings\":true}");
    wait_all_current(2);
    CHECK_INT(world.nodes[NEW1].material->n_certs, 1); /* who adopts a name can speak under it */
    mem_free(body);
    pki_fini(&ca);
    pki_fini(&good);
    pki_fini(&expired);
    pki_fini(&other);
    arena_fini(&a);
    world_end();
}

TEST(trust_and_dns_are_kept)
{
    struct arena a = {0};
    struct json_value *v;
    struct buf pem = {0}, body = {0};
    struct central_dns dns;
    world_start();
    struct pki_id ca = pki_ca("partner root");
    crypto_cert_write(ca.cert, &pem);
    buf_append(&body, SLICE("{\"pem\":"));
    json_write_string(buf_slice(&pem), &body);
    buf_append(&body, SLICE("}"));
    char *text = buf_take(&body);
    api_good("POST", "/v1/trust", text);
    api_good("POST", "/v1/trust", text);
    CHECK_INT(api(&a, "GET", "/v1/trust", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "trust")), 1);
    api_refused("POST", "/v1/trust", "{\"pem\":\"x\"}", 422, "trust.unreadable");
    wait_all_current(1);
    CHECK_SLICE(world.nodes[OLD1].material->trust_pem, buf_slice(&pem));

    CHECK(!central_dns(world.central, &a, &dns));
    api_refused("POST", "/v1/dns", "{\"server\":\"127.0.0.1:53\",\"zones\":[\"a\"],\"key\":\"x\"}", 422,
                "dns.key");
    api_refused("POST", "/v1/dns", "{\"server\":\"x\",\"zones\":[\"a\"],\"key\":\"x\"}", 422, "dns.server");
    api_good("POST", "/v1/dns",
             "{\"server\":\"127.0.0.1:5300\",\"zones\":[\"contoso.example\"],\"key\":\"hmac-sha256:up:"
             "c2VjcmV0\"}");
    CHECK_INT(api(&a, "GET", "/v1/dns", "", &v), 200);
    CHECK_STR(json_get_string(v, "server"), "127.0.0.1:5300");
    CHECK(json_get(v, "key") == NULL);
    central_stop();
    central_start();
    CHECK(central_dns(world.central, &a, &dns));
    CHECK_STR(dns.key_secret, "secret");
    CHECK_STR(dns.key_name, "up");
    CHECK_INT(dns.n_zones, 1);
    api_refused("GET", "/v1/publish", "", 405, "api.method");
    api_refused("POST", "/v1/publish", "[", 400, "api.body");
    mem_free(text);
    pki_fini(&ca);
    buf_fini(&pem);
    arena_fini(&a);
    world_end();
}

/* --- init --- */
static void check_mode(const char *name, unsigned mode)
{
    struct stat st = {0};
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", world.nodes[CMS].folder, name);
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777, mode);
}

TEST(init_makes_what_is_needed_once)
{
    char error[512] = "";
    world_new();
    struct central_init init = {.state_folder = world.nodes[CMS].folder,
                                .machine = SLICE("cms.contoso.example"),
                                .address = slice_str(world.nodes[CMS].address)};
    init.topology = SLICE("schema: 1\nnonsense: 1\n");
    CHECK(central_init(&init, error) < 0);
    CHECK(strstr(error, "nonsense") != NULL);
    init.topology = SLICE("schema: [");
    CHECK(central_init(&init, error) < 0);
    init.topology = SLICE_NONE;
    init.machine = SLICE("not a name");
    CHECK(central_init(&init, error) < 0);
    init.machine = SLICE("cms.contoso.example");
    CHECK_INT(central_init(&init, error), 0);
    check_mode("", 0700);
    check_mode("central.db", 0600);
    check_mode(FILE_KEY, 0600);
    CHECK_INT(central_init(&init, error), -EEXIST);
    CHECK_INT(http_server_unix_new(world.loop, world.socket, 0600, api_handle, NULL, &world.api), 0);
    central_start();
    struct topology *t = central_topology(world.central);
    CHECK_STR(t->deployment.default_domain, "contoso.example");
    topology_unref(t);
    node_start(&world.nodes[CMS]);
    CHECK_INT(world.nodes[CMS].revision, 1);
    world_end();
    world_new();
    CHECK(central_new(world.loop, world.helpers, world.nodes[CMS].folder, &world.central, error) == -ENOENT);
    world_end();
}

/* --- kill -9 --- */
static void publish_until_killed(int out)
{
    struct arena a = {0};
    central_start();
    for (int i = 0;; i++) {
        struct published p = {0};
        struct topology *t = central_topology(world.central);
        struct json_value *doc = topology_to_json(t, &a);
        json_set_int(&a, json_get(doc, "deployment"), "timer_c_s", 181 + i % 100);
        central_publish(world.central, doc, SLICE("test"), SLICE("again"), on_published, &p);
        if (!wait_until(published_is_done, &p) || p.error || write(out, &p.number, sizeof(p.number)) < 0)
            _exit(1);
        topology_unref(t);
        arena_reset(&a);
    }
}

TEST(nothing_acknowledged_is_lost_by_kill)
{
    char error[512] = "";
    enum { BEFORE_KILL = 20 };
    int pipes[2];
    uint64_t number = 0, last = 0;
    world_new();
    CHECK_INT(world_init_central(error), 0);
    helpers_free(world.helpers); /* no thread may live across fork */
    world.helpers = NULL;
    CHECK_INT(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        world.loop = loop_new(0);
        publish_until_killed(pipes[1]);
    }
    close(pipes[1]);
    for (int i = 0; i < BEFORE_KILL && read(pipes[0], &number, sizeof(number)) == sizeof(number); i++)
        last = number;
    kill(child, SIGKILL);
    while (read(pipes[0], &number, sizeof(number)) == sizeof(number))
        last = number;
    waitpid(child, NULL, 0);
    close(pipes[0]);
    CHECK(last > BEFORE_KILL);
    world.helpers = helpers_new(1, "test");
    central_start();
    CHECK(central_revision(world.central) >= last && central_revision(world.central) <= last + 1);
    world_end();
}

TEST_MAIN(drafts_are_guarded_by_their_version, who_came_first_is_told, a_stale_draft_is_carried_over,
          a_text_is_checked_by_line, a_difference_is_a_patch, documents_are_put_as_yaml_or_json,
          publishing_names_errors_and_asks_on_warnings, a_draft_that_was_overtaken_is_not_published,
          certificates_reach_their_machines_alone, trust_and_dns_are_kept, init_makes_what_is_needed_once,
          nothing_acknowledged_is_lost_by_kill)
