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

TEST_MAIN(adopted_names_bring_a_new_certificate, every_machine_acknowledges, who_was_away_gets_the_newest)
