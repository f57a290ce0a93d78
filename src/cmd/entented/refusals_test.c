/* doc/refusals.md is what the tables of refusals say. ENTENTE_WRITE_REFERENCE=1 writes it anew. */
#include "ground/base/buf.h"
#include "ground/base/file_for_test.h"
#include "ground/base/test.h"
#include "service/access_edge/refusals.h"
#include "service/front_end/refusals.h"

static const char path[] = "doc/refusals.md";

struct row {
    const char *name;
    struct refusal refusal;
};
#define ROW(name, ...) {#name, {__VA_ARGS__}},
static const struct row element_rows[] = {ELEMENT_REFUSALS(ROW)};
static const struct row edge_rows[] = {EDGE_REFUSALS(ROW)};
static const struct row front_end_rows[] = {FRONT_END_REFUSALS(ROW)};
static const struct {
    const char *title;
    const struct row *rows;
    size_t n;
} tables[] = {
    {"Every machine", element_rows,   sizeof(element_rows) / sizeof(element_rows[0])    },
    {"Access Edge",   edge_rows,      sizeof(edge_rows) / sizeof(edge_rows[0])          },
    {"Front End",     front_end_rows, sizeof(front_end_rows) / sizeof(front_end_rows[0])},
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static void write_reference(struct buf *out)
{
    static const char *const guilty[] = {"the sender", "this side", "beyond the next hop"};
    buf_append(
        out,
        SLICE("# Refusals\n\nEvery refusal has a stable id. The peer gets the status, `Reason: "
              "SIP;cause=…;text=\"id\"` "
              "and `ms-diagnostics` with the\nnumber, the sentence and the id; the log line and the counter "
              "`refused.ID` carry the same id. This page is written from\nthe tables in the code (a test "
              "compares "
              "them).\n"));
    for (size_t t = 0; t < TABLES; t++) {
        buf_printf(out,
                   "\n## %s\n\n| id | status | number | who | what it says | what to do |\n| --- | --- | --- "
                   "| --- | --- | --- |\n",
                   tables[t].title);
        for (size_t i = 0; i < tables[t].n; i++) {
            const struct refusal *r = &tables[t].rows[i].refusal;
            buf_printf(out, "| `%s` | %u | %u | %s | %s | %s |\n", r->id, r->status, r->number,
                       guilty[r->guilty], r->text, r->remedy);
        }
    }
}

TEST(reference_is_what_the_tables_say)
{
    struct buf want = {0}, have = {0};
    write_reference(&want);
    CHECK(page_is(path, buf_slice(&want), &have));
    buf_fini(&want);
    buf_fini(&have);
}

TEST(ids_and_numbers_are_unique)
{
    for (size_t t = 0; t < TABLES; t++)
        for (size_t i = 0; i < tables[t].n; i++)
            for (size_t u = t; u < TABLES; u++)
                for (size_t k = u == t ? i + 1 : 0; k < tables[u].n; k++) {
                    const struct refusal *a = &tables[t].rows[i].refusal, *b = &tables[u].rows[k].refusal;
                    if (a->number == b->number || strcmp(a->id, b->id) == 0)
                        TEST_DIAG("%s (%u) and %s (%u)", a->id, a->number, b->id, b->number);
                }
}

TEST_MAIN(reference_is_what_the_tables_say, ids_and_numbers_are_unique)
