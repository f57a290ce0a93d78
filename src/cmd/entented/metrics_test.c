/* doc/metrics.md is what the table of metrics says. ENTENTE_WRITE_REFERENCE=1 writes it anew. */
#include "cmd/entented/daemon.h"

#include "ground/base/file_for_test.h"
#include "ground/base/test.h"

static const char path[] = "doc/metrics.md";

static void write_page(struct buf *out)
{
    buf_append(
        out,
        SLICE(
            "# Metrics\n\n`entente status --metrics` prints them on every machine, and so does `GET "
            "/metrics` on the "
            "daemon's socket, and at\n`http://INTERNAL-ADDRESS:PORT/metrics` when `monitoring/metrics_port` "
            "is set: the text format of Prometheus, version 0.0.4. This page\nis written from the table in "
            "the "
            "code (a test compares them).\n\n"
            "The first "));
    buf_printf(
        out,
        "%d partners and %d pools that talk get series of their own; all further ones, and names that were "
        "not proven and are in no list,\nshare `other`. `direction` is `in` (from another organisation), "
        "`out` "
        "or `inside`. Partners that are `monitored` have %d places beside. Series that never counted "
        "anything are left out.\n\n",
        ACCOUNT_MAX_PARTNERS - 1, ACCOUNT_MAX_POOLS - 1, ACCOUNT_MAX_MONITORED);
    metrics_reference(out);
}

TEST(reference_is_what_the_table_says)
{
    struct buf want = {0}, have = {0};
    write_page(&want);
    CHECK(page_is(path, buf_slice(&want), &have));
    buf_fini(&want);
    buf_fini(&have);
}

/* A machine that has no SIP service, and nothing yet. */
TEST(metrics_of_a_daemon_that_has_nothing)
{
    struct daemon d = {.machine = "cms.contoso.example", .started_ms = loop_wall()};
    struct buf out = {0};
    metrics_write(&d, &out);
    CHECK(slice_search(buf_slice(&out), SLICE("\nentente_revision 0\n")) != SIZE_MAX);
    CHECK(slice_search(buf_slice(&out), SLICE("entente_info{machine=\"cms.contoso.example\",version=")) !=
          SIZE_MAX);
    CHECK(slice_ends(buf_slice(&out), SLICE("\n")));
    buf_fini(&out);
}

TEST_MAIN(reference_is_what_the_table_says, metrics_of_a_daemon_that_has_nothing)
