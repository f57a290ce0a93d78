#include "ground/base/test.h"

#include "cmd/entented/deployment_for_test.h"

static void draft_set(const char *path, const char *value)
{
    char body[256];
    snprintf(body, sizeof(body), "{\"path\":\"%s\",\"value\":\"%s\",\"author\":\"test\"}", path, value);
    api_good("POST", "/v1/draft/set", body);
}

static void publish(const char *comment)
{
    char body[256];
    snprintf(body, sizeof(body), "{\"comment\":\"%s\",\"author\":\"test\",\"accept_warnings\":true}",
             comment);
    api_good("POST", "/v1/publish", body);
}

static void publish_partner(const char *domain)
{
    char body[256];
    snprintf(body, sizeof(body), "{\"path\":\"partners\",\"assignments\":[\"domain=%s\",\"policy=allowed\"]}",
             domain);
    api_good("POST", "/v1/draft/add", body);
    publish(domain);
}

TEST(every_machine_acknowledges)
{
    world_start();
    for (unsigned i = 0; i < N_NODES; i++)
        CHECK_INT(world.nodes[i].revision, 1);
    publish_partner("fabrikam.example");
    wait_all_current(2);
    for (unsigned i = 0; i < N_NODES; i++) {
        CHECK_INT(world.nodes[i].revision, 2);
        CHECK_INT(replica_revision(world.nodes[i].replica), 2);
        CHECK_INT(world.nodes[i].applies, 2);
    }
    world_end();
}

static bool runs_newest(void *arg)
{
    struct node *n = arg;
    return n->revision == central_revision(world.central) && all_current(NULL);
}

TEST(who_was_away_gets_the_newest)
{
    world_start();
    struct node *n = &world.nodes[OLD1];
    node_stop(n);
    publish_partner("a.example");
    publish_partner("b.example");
    n->applies = 0;
    node_start(n);
    CHECK(wait_until(runs_newest, n));
    CHECK_INT(n->revision, 3);
    CHECK_INT(n->applies, 2); /* what was on disk, then the newest; nothing in between */
    node_stop(n);
    n->applies = 0;
    node_start(n);
    CHECK_INT(n->applies, 1);
    CHECK_INT(n->revision, 3);
    world_end();
}

static bool certificate_has_names(void *arg)
{
    struct node *n = arg;
    return all_current(NULL) && crypto_cert_names_host(n->cert, SLICE("old.contoso.example")) &&
           crypto_cert_names_host(n->cert, SLICE("old1.contoso.example"));
}

TEST(adopted_names_bring_a_new_certificate)
{
    world_start();
    struct node *n = &world.nodes[NEW1];
    unsigned char before[32], after[32];
    crypto_cert_fingerprint(n->cert, before);
    CHECK(!crypto_cert_names_host(n->cert, SLICE("old.contoso.example")));
    draft_set("edge_pools/new.contoso.example/federation", "true");
    draft_set("edge_pools/new.contoso.example/next_hop", "pbx.contoso.example");
    draft_set("edge_pools/new.contoso.example/adopts", "old.contoso.example");
    publish("adopt");
    CHECK(wait_until(certificate_has_names, n));
    CHECK(crypto_cert_names_host(n->cert, SLICE("new1.contoso.example")));
    crypto_cert_fingerprint(n->cert, after);
    CHECK(memcmp(before, after, 32) != 0);
    node_stop(n);
    node_start(n); /* the files fit together */
    CHECK_INT(n->ready_error, 0);
    CHECK_INT(n->revision, 2);
    crypto_cert_fingerprint(n->cert, before);
    CHECK(memcmp(before, after, 32) == 0);
    publish_partner("c.example");
    wait_all_current(3);
    world_end();
}

TEST(a_renewal_cut_short_is_completed)
{
    world_start();
    struct node *n = &world.nodes[NEW1];
    struct buf sealed = {0}, key = {0};
    node_stop(n);
    CHECK_INT(files_read(n->folder, FILE_KEY, &key), 0);
    CHECK_INT(files_read(n->folder, FILE_MATERIAL, &sealed), 0);
    /* as a crash right behind the certificate leaves it: the first names hold what the old key is for */
    struct crypto_key *old = crypto_key_new();
    struct buf old_pem = {0};
    crypto_key_write(old, &old_pem);
    CHECK_INT(files_write(n->folder, "internal.key.next", buf_slice(&key)), 0);
    CHECK_INT(files_write(n->folder, "material.sealed.next", buf_slice(&sealed)), 0);
    CHECK_INT(files_write(n->folder, FILE_KEY, buf_slice(&old_pem)), 0);
    CHECK_INT(files_write(n->folder, FILE_MATERIAL, SLICE("for the old key")), 0);
    node_start(n);
    CHECK_INT(n->ready_error, 0);
    CHECK(!files_exists(n->folder, "internal.key.next"));
    CHECK(!files_exists(n->folder, "material.sealed.next"));
    publish_partner("a.example");
    wait_all_current(2);
    crypto_key_unref(old);
    buf_fini(&old_pem);
    buf_fini(&sealed);
    buf_fini(&key);
    world_end();
}

TEST(going_back_makes_a_new_number)
{
    struct arena a = {0};
    struct json_value *v;
    world_start();
    CHECK_INT(api(&a, "GET", "/v1/topology?revision=1", "", &v), 200);
    struct slice hash = json_get_string(v, "hash");
    publish_partner("a.example");
    publish_partner("b.example");
    api_good("POST", "/v1/rollback", "{\"number\":1,\"accept_warnings\":true}");
    wait_all_current(4);
    CHECK_INT(world.nodes[OLD1].revision, 4);
    CHECK_INT(api(&a, "GET", "/v1/topology?format=json", "", &v), 200);
    CHECK_INT(json_get_int(v, "number", 0), 4);
    CHECK_SLICE(json_get_string(v, "hash"), hash);
    CHECK_STR(json_get_string(v, "comment"), "back to revision 1");
    CHECK(json_get(json_get(v, "document"), "partners") == NULL);
    CHECK_INT(api(&a, "GET", "/v1/history", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "revisions")), 4);
    api_refused("POST", "/v1/rollback", "{\"number\":77}", 404, "topology.no-revision");
    arena_fini(&a);
    world_end();
}

TEST(central_comes_back_with_everything)
{
    world_start();
    draft_set("deployment/timer_c_s", "200");
    central_stop();
    central_start();
    CHECK_INT(central_revision(world.central), 1);
    publish("the draft is still there");
    wait_all_current(2);
    struct topology *t = central_topology(world.central);
    CHECK_INT(t->deployment.timer_c_s, 200);
    topology_unref(t);
    world_end();
}

TEST(a_machine_may_change_its_address)
{
    char value[32];
    world_start();
    struct node *n = &world.nodes[OLD1];
    unsigned pid = (unsigned)getpid();
    snprintf(value, sizeof(value), "127.%u.%u.%u", 64 + ((pid >> 14) & 63), (pid >> 6) & 255,
             ((pid & 63) << 2) + N_NODES);
    draft_set("edge_pools/old.contoso.example/machines/old1.contoso.example/internal_address", value);
    publish("moved");
    wait_all_current(2);
    node_stop(n);
    node_start(n); /* at the new address alone */
    publish_partner("a.example");
    wait_all_current(3);
    CHECK_INT(n->revision, 3);
    world_end();
}

static bool only_two_machines(void *arg)
{
    struct arena a = {0};
    struct central_machine_state *list;
    size_t n = central_machines(world.central, &a, &list);
    bool all = n == 2 && list[0].current && list[1].current;
    (void)arg;
    arena_fini(&a);
    return all;
}

TEST(machines_leave_and_come)
{
    struct arena a = {0};
    struct json_value *v;
    world_start();
    api_good("POST", "/v1/draft/remove", "{\"path\":\"edge_pools/new.contoso.example\"}");
    publish("one less");
    CHECK(wait_until(only_two_machines, NULL));
    CHECK_INT(world.nodes[NEW1].revision, 1);
    api_good("POST", "/v1/rollback", "{\"number\":1,\"accept_warnings\":true}");
    wait_all_current(3);
    CHECK_INT(world.nodes[NEW1].revision, 3);
    CHECK_INT(api(&a, "GET", "/v1/machines", "", &v), 200);
    CHECK_INT(json_count(json_get(v, "machines")), N_NODES);
    CHECK_INT(api(&a, "GET", "/v1/routes", "", &v), 200);
    CHECK(json_count(json_get(v, "routes")) > 20);
    CHECK_INT(api(&a, "POST", "/v1/replication", "", &v), 200);
    CHECK(json_get_int(json_get(json_at(json_get(v, "machines"), 0), "report"), "applies", 0) > 0);
    arena_fini(&a);
    world_end();
}

static bool blob_is_done(void *arg)
{
    return ((struct buf *)arg)->end > 0;
}

static void on_blob(void *arg, int error, struct slice value)
{
    buf_printf(arg, "%d:" SLICE_FMT, error, SLICE_ARG(value));
}

TEST(plans_are_kept_as_blobs)
{
    struct buf b = {0};
    world_start();
    central_blob_put(world.central, "transition", SLICE("plan"), SLICE("step 1"), on_blob, &b);
    CHECK(wait_until(blob_is_done, &b));
    CHECK_STR(buf_slice(&b), "0:step 1");
    central_stop();
    central_start();
    buf_clear(&b, 0);
    central_blob_get(world.central, "transition", SLICE("plan"), on_blob, &b);
    CHECK(wait_until(blob_is_done, &b));
    CHECK_STR(buf_slice(&b), "0:step 1");
    buf_clear(&b, 0);
    central_blob_get(world.central, "transition", SLICE("none"), on_blob, &b);
    CHECK(wait_until(blob_is_done, &b));
    CHECK_STR(buf_slice(&b), "-2:");
    buf_fini(&b);
    world_end();
}

/* --- what comes with time --- */
static const int64_t DAY = 24LL * 3600 * 1000;

static void age_key(int64_t days)
{
    struct store *s = NULL;
    struct buf text = {0};
    struct material *m = NULL;
    CHECK_INT(store_open(world.nodes[CMS].folder, &s), 0);
    CHECK_INT(store_blob_get(s, "secret", SLICE("material"), &text), 0);
    CHECK_INT(material_parse(buf_slice(&text), &m), 0);
    m->keys[0].made_ms -= days * DAY;
    buf_clear(&text, 0);
    material_write(m, &text);
    CHECK_INT(store_blob_put(s, "secret", SLICE("material"), buf_slice(&text)), 0);
    material_unref(m);
    buf_fini(&text);
    store_close(s);
}

static bool two_keys_everywhere(void *arg)
{
    bool all = all_current(arg);
    for (unsigned i = 0; i < N_NODES; i++)
        all = all && world.nodes[i].material->n_keys == 2;
    return all;
}

TEST(keys_are_changed_in_their_time)
{
    world_start();
    central_stop();
    age_key(6);
    central_start();
    wait_all_current(1);
    CHECK_INT(world.nodes[OLD1].material->n_keys, 1); /* dialog_key_days is 7 */
    central_stop();
    age_key(1);
    central_start();
    CHECK(wait_until(two_keys_everywhere, NULL));
    const struct material *m = world.nodes[OLD1].material;
    CHECK_INT(m->keys[0].expires_ms, 0);
    CHECK_INT(m->keys[1].expires_ms, m->keys[0].made_ms + 7 * DAY + MATERIAL_SIGN_AFTER_MS);
    CHECK(memcmp(m->keys[0].key, m->keys[1].key, MATERIAL_KEY) != 0);
    CHECK_INT(material_signing_key(m, m->keys[0].made_ms)->id, m->keys[1].id);
    world_end();
}

static bool certificate_is_new(void *arg)
{
    struct node *n = arg;
    return all_current(NULL) && crypto_cert_not_after(n->cert) > pki_now() + 300 * DAY;
}

TEST(certificates_are_renewed_at_half_of_their_life)
{
    world_start();
    struct node *n = &world.nodes[NEW1];
    struct buf pem = {0};
    const struct slice names[] = {SLICE("new1.contoso.example"), SLICE("new.contoso.example")};
    const struct crypto_request_names old_names = {
        .common_name = names[0], .dns = names, .n_dns = 2, .not_before_ms = pki_now() - 200 * DAY};
    struct pki_id ca = real_authority(), old = pki_leaf(&ca, &old_names, pki_now() + 165 * DAY);
    node_stop(n);
    crypto_key_write(old.key, &pem);
    CHECK_INT(files_write(n->folder, FILE_KEY, buf_slice(&pem)), 0);
    buf_clear(&pem, 0);
    crypto_cert_write(old.cert, &pem);
    CHECK_INT(files_write(n->folder, FILE_CERT, buf_slice(&pem)), 0);
    node_start(n); /* its material is sealed to another key: it comes again, sealed to this one */
    CHECK(wait_until(certificate_is_new, n));
    pki_fini(&old);
    pki_fini(&ca);
    buf_fini(&pem);
    world_end();
}

TEST_MAIN(keys_are_changed_in_their_time, certificates_are_renewed_at_half_of_their_life,
          every_machine_acknowledges, who_was_away_gets_the_newest, adopted_names_bring_a_new_certificate,
          a_renewal_cut_short_is_completed, going_back_makes_a_new_number, a_machine_may_change_its_address,
          machines_leave_and_come, plans_are_kept_as_blobs, central_comes_back_with_everything)
