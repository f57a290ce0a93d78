#include "kept/topology/check_priv.h"

#include <assert.h>
#include <stdarg.h>

#define CHECK_ROW(function, id, severity, stands_for, meaning, remedy)                                       \
    {id, FINDING_##severity, stands_for, meaning, remedy, check_##function},

const struct topology_check topology_checks[] = {CHECKS(CHECK_ROW)};
const size_t topology_n_checks = sizeof(topology_checks) / sizeof(topology_checks[0]);

void topology_check_all(const struct topology *t, struct findings *f)
{
    for (size_t i = 0; i < topology_n_checks; i++)
        topology_checks[i].run(t, f);
}

static const struct topology_check *row_of(const char *id)
{
    for (size_t i = 0; i < topology_n_checks; i++)
        if (strcmp(topology_checks[i].name, id) == 0)
            return &topology_checks[i];
    return NULL;
}

void check_found(struct findings *f, const char *id, struct slice path, const char *fmt, ...)
{
    const struct topology_check *row = row_of(id);
    struct buf text = {0};
    va_list ap;
    assert(row);
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    findings_add(f, row->name, row->severity, path, row->remedy, SLICE_FMT, SLICE_ARG(buf_slice(&text)));
    buf_fini(&text);
}

struct slice check_path(struct findings *f, const char *list, struct slice name, const char *property)
{
    return arena_printf(&f->arena, "%s%s" SLICE_FMT "%s%s", list, name.n ? "/" : "", SLICE_ARG(name),
                        property ? "/" : "", property ? property : "");
}

struct slice check_machine_path(struct findings *f, const struct check_pool *p,
                                const struct topology_machine *m, const char *property)
{
    return arena_printf(&f->arena, "%s/" SLICE_FMT "/machines/" SLICE_FMT "%s%s", p->list, SLICE_ARG(p->fqdn),
                        SLICE_ARG(m->fqdn), property ? "/" : "", property ? property : "");
}

/* --- pools of all kinds --- */
#define POOL_STEP(list_, edge_, ...)                                                                         \
    if (left < t->n_##list_) {                                                                               \
        *p = (struct check_pool){.cursor = p->cursor + 1,                                                    \
                                 .list = #list_,                                                             \
                                 .pool = &t->list_[left],                                                    \
                                 .fqdn = t->list_[left].fqdn,                                                \
                                 .site = t->list_[left].site,                                                \
                                 .machines = t->list_[left].machines,                                        \
                                 .n_machines = t->list_[left].n_machines,                                    \
                                 .edge = (edge_),                                                            \
                                 __VA_ARGS__};                                                               \
        return true;                                                                                         \
    }                                                                                                        \
    left -= t->n_##list_;
#define POOL_STEP_OURS(list_, edge_)                                                                         \
    POOL_STEP(list_, edge_, .version = t->list_[left].version, .managed = t->list_[left].managed,            \
              .replica_port = t->list_[left].replica_port)

bool check_pool_next(const struct topology *t, struct check_pool *p)
{
    size_t left = p->cursor;
    POOL_STEP_OURS(edge_pools, &t->edge_pools[left])
    POOL_STEP_OURS(front_end_pools, NULL)
    POOL_STEP_OURS(director_pools, NULL)
    POOL_STEP_OURS(mediation_pools, NULL)
    POOL_STEP_OURS(trusted_application_pools, NULL)
    POOL_STEP(foreign_pools, NULL, .managed = false)
    return false;
}

/* --- addresses --- */
struct network {
    uint8_t bytes[2];
    uint8_t mask[2];
    size_t length; /* of an address */
};

bool check_address_private(struct slice address)
{
    static const struct network networks[] = {
        {{10, 0},      {255, 0},   4 }, /* RFC 1918 */
        {{172, 16},    {255, 240}, 4 },
        {{192, 168},   {255, 255}, 4 },
        {{169, 254},   {255, 255}, 4 }, /* RFC 3927 */
        {{100, 64},    {255, 192}, 4 }, /* RFC 6598 */
        {{0xfc, 0},    {0xfe, 0},  16}, /* RFC 4193 */
        {{0xfe, 0x80}, {255, 192}, 16}, /* RFC 4291 */
    };
    struct net_addr a;
    if (net_addr_parse(address, 0, &a) < 0)
        return false;
    bool v4 = a.sa.sa_family == AF_INET;
    const uint8_t *b = v4 ? (const uint8_t *)&a.in4.sin_addr : a.in6.sin6_addr.s6_addr;
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
        const struct network *n = &networks[i];
        if (n->length == (v4 ? 4 : 16) && (b[0] & n->mask[0]) == n->bytes[0] &&
            (b[1] & n->mask[1]) == n->bytes[1])
            return true;
    }
    return false;
}

/* --- the page --- */
static const struct {
    const char *id, *meaning, *remedy, *stands_for;
} read_findings[] = {
    {"syntax",             "The text is neither YAML nor JSON.",                                                "correct it at the line and column that are named", ""                                                 },
    {"unsupported-schema", "The document is of another version of the model.",
     "use the release that wrote it, or export it from there",                                                                                                      ""                                                 },
    {"unknown-property",   "An object has a property that the model does not know.",
     "take the name that comes near, or remove it",                                                                                                                 ""                                                 },
    {"missing-property",   "An object lacks a property that it must have.",                                     "add it",                                           ""                                                 },
    {"wrong-type",         "A value is of another type than its property.",                                     "write what is wanted",                             ""                                                 },
    {"unknown-value",      "A value is none of those that its property knows.",                                 "take one of the list",                             ""                                                 },
    {"out-of-range",       "A number is below or above its range.",                                             "choose one within the range",                      ""                                                 },
    {"malformed-value",    "A value does not have the form that its property wants.",                           "write what is wanted",
     ""                                                                                                                                                                                                                },
    {"address-for-name",   "An address stands where a name belongs.",                                           "write the name",
     "failure: an address where a name belongs"                                                                                                                                                                        },
    {"name-for-address",   "A name stands where an address belongs.",                                           "write the address",                                ""                                                 },
    {"wildcard-name",      "A name holds a wildcard: no host has it, and no certificate of an Edge may.",
     "write one name",                                                                                                                                              "certificates"                                     },
    {"underscore-name",    "A name holds an underscore: no certificate can cover it.",
     "use letters, digits and hyphens",                                                                                                                             "pools and computers"                              },
    {"double-identity",    "Two objects of a list have the same name: a domain is in two lists, for instance.",
     "remove or rename one of the two",                                                                                                                             "names are unique; lists of partners and providers"},
    {"too-many",           "A list has more entries than the model takes.",                                     "shorten it",                                       ""                                                 },
};

void topology_checks_write(struct buf *out)
{
    static const char head[] = "| id | severity | what it means | what to do | stands for |\n"
                               "| --- | --- | --- | --- | --- |\n";
    buf_append(
        out,
        SLICE("# Checks of a topology\n\n"
              "<!-- Written by the program from its table of checks; a unit test compares the two. "
              "-->\n\n"
              "Publishing refuses on errors and asks on warnings. The last column says what a check stands "
              "for: a part of\nLync's object model, a step of Lync's own procedure for federation routes and "
              "media traffic, or a failure of\na migration.\n\n## On a whole topology\n\n"));
    buf_append(out, slice_str(head));
    for (size_t i = 0; i < topology_n_checks; i++) {
        const struct topology_check *c = &topology_checks[i];
        buf_printf(out, "| `%s` | %s | %s | %s | %s |\n", c->name,
                   c->severity == FINDING_ERROR ? "error" : "warning", c->meaning, c->remedy, c->stands_for);
    }
    buf_append(out, SLICE("\n## While a document is read\n\n"));
    buf_append(out, slice_str(head));
    for (size_t i = 0; i < sizeof(read_findings) / sizeof(read_findings[0]); i++)
        buf_printf(out, "| `%s` | error | %s | %s | %s |\n", read_findings[i].id, read_findings[i].meaning,
                   read_findings[i].remedy, read_findings[i].stands_for);
    check_modes_write(out);
}
