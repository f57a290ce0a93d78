#include "cmd/entente/command.h"

#include "cmd/entente/table.h"
#include "ground/base/file_for_test.h"
#include "ground/base/mem.h"
#include "ground/base/test.h"

enum { ARGUMENTS_MAX = 16 };

/* One parse, with what was said on standard error. */
struct parsed {
    struct invocation v;
    char *said;
    size_t n;
    int r;
};

static void parse(struct parsed *p, const char *const *words)
{
    char *argv[ARGUMENTS_MAX] = {(char *)"entente"};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    *p = (struct parsed){0};
    p->v.err = open_memstream(&p->said, &p->n);
    p->r = options_parse(&p->v, argc, argv);
    fclose(p->v.err);
}

static void parsed_fini(struct parsed *p)
{
    arena_fini(&p->v.arena);
    free(p->said);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool has(const char *text, const char *what)
{
    return slice_search(slice_str(text), slice_str(what)) != SIZE_MAX;
}

TEST(words_and_options_in_any_order)
{
    struct parsed p;
    parse(&p, WORDS("--state", "/s", "publish", "-m", "why", "--yes", "--wait", "2.5", "--json"));
    CHECK_INT(p.r, 0);
    CHECK(p.v.command && p.v.command->run == cmd_publish);
    CHECK_STR(option_slice(&p.v, OPTION_MESSAGE), "why");
    CHECK_STR(option_slice(&p.v, OPTION_WAIT), "2.5");
    CHECK(option_given(&p.v, OPTION_YES) && option_given(&p.v, OPTION_JSON));
    CHECK_STR(slice_str(p.v.socket), "/s/entented.sock");
    parsed_fini(&p);
    parse(&p, WORDS("cert", "--socket=/x/y", "import", "pool.example", "c.pem", "k.pem"));
    CHECK_INT(p.r, 0);
    CHECK(p.v.command && p.v.command->run == cmd_cert_import);
    CHECK_INT(p.v.n_arguments, 3);
    CHECK_STR(argument(&p.v, 2), "k.pem");
    CHECK_STR(slice_str(p.v.socket), "/x/y");
    parsed_fini(&p);
}

TEST(the_longest_command_counts)
{
    struct parsed p;
    parse(&p, WORDS("cert", "trust", "add", "f.pem"));
    CHECK_INT(p.r, 0);
    CHECK(p.v.command && p.v.command->run == cmd_cert_trust_add);
    parsed_fini(&p);
    parse(&p, WORDS("trace", "status"));
    CHECK(p.v.command && p.v.command->run == cmd_trace);
    CHECK_STR(argument(&p.v, 0), "status");
    parsed_fini(&p);
}

TEST(an_optional_value_is_a_number)
{
    struct parsed p;
    parse(&p, WORDS("service", "stop", "--wait", "edge.example"));
    CHECK_INT(p.r, 0);
    CHECK_STR(option_slice(&p.v, OPTION_WAIT), "");
    CHECK_STR(argument(&p.v, 0), "edge.example");
    parsed_fini(&p);
    parse(&p, WORDS("publish", "--wait=soon"));
    CHECK_INT(p.r, EXIT_WRONG_USAGE);
    CHECK(has(p.said, "'soon' is not a number of seconds"));
    parsed_fini(&p);
}

TEST(two_dashes_end_the_options)
{
    struct parsed p;
    parse(&p, WORDS("topology", "set", "--", "a/b", "--json"));
    CHECK_INT(p.r, 0);
    CHECK_STR(argument(&p.v, 1), "--json");
    CHECK(!option_given(&p.v, OPTION_JSON));
    parsed_fini(&p);
}

TEST(the_state_comes_from_the_environment)
{
    struct parsed p;
    setenv("ENTENTE_STATE", "/env", 1);
    parse(&p, WORDS("status"));
    CHECK_STR(slice_str(p.v.socket), "/env/entented.sock");
    parsed_fini(&p);
    unsetenv("ENTENTE_STATE");
    parse(&p, WORDS("status"));
    CHECK_STR(slice_str(p.v.state), ENTENTE_DEFAULT_STATE);
    parsed_fini(&p);
}

TEST(what_is_wrong_is_said)
{
    static const struct {
        const char *words[6];
        const char *says;
    } cases[] = {
        {{"topologie", "show"},                "did you mean 'topology show'?"                         },
        {{"tpology", "shwo"},                  "did you mean 'topology show'?"                         },
        {{"pubilsh"},                          "did you mean 'publish'?"                               },
        {{"topology"},                         "a word is missing behind 'topology'"                   },
        {{"cert", "trust"},                    "cert trust list"                                       },
        {{"partner", "frobnicate"},            "partner allow DOMAIN"                                  },
        {{"xyzzy"},                            "entente help lists them"                               },
        {{"topologi"},                         "did you mean one of these?\n  topology show [PATH]"    },
        {{"topology", "show", "--format=nft"}, "it takes: yaml json tree\nusage: entente topology show"},
        {{"dns", "check", "--side=in"},        "'in' is no --side of dns check"                        },
        {{"publish", "--jsno"},                "did you mean --json?"                                  },
        {{"publish", "-q"},                    "there is no option -q"                                 },
        {{"publish", "--json=1"},              "--json takes no value"                                 },
        {{"publish", "-m"},                    "--message wants a value"                               },
        {{"status", "--yes"},                  "status takes no option --yes"                          },
        {{"trace"},                            "trace: an argument is missing"                         },
        {{"trace", "a", "b"},                  "trace: too many arguments"                             },
        {{"machine", "bundle", "m"},           "usage: entente machine bundle FQDN --output FILE;"     },
        {{"transition", "plan", "--to=x"},     "transition plan wants --from POOL"                     },
        {{"init", "--machine", "x"},           "init wants --address ADDR"                             },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed p;
        parse(&p, cases[i].words);
        CHECK_INT(p.r, EXIT_WRONG_USAGE);
        if (!has(p.said, cases[i].says))
            TEST_DIAG("case %zu says '%s', not '%s'", i, p.said, cases[i].says);
        parsed_fini(&p);
    }
}

TEST(arity_is_read_from_the_usage)
{
    static const struct {
        const char *arguments;
        size_t min, max;
    } cases[] = {
        {"",                      0, 0       },
        {"AOR",                   1, 1       },
        {"[FROM [TO]]",           0, 2       },
        {"POOL CERT.pem KEY.pem", 3, 3       },
        {"ADDR:PORT ZONE…",     2, SIZE_MAX},
        {"[COMMAND…]",          0, SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct command c = {.words = "x", .arguments = cases[i].arguments};
        size_t min, max;
        command_arity(&c, &min, &max);
        CHECK_INT(min, cases[i].min);
        CHECK(max == cases[i].max);
    }
}

TEST(distances)
{
    CHECK_INT(nearest_distance(SLICE("publish"), SLICE("publish")), 0);
    CHECK_INT(nearest_distance(SLICE("pubilsh"), SLICE("publish")), 1);
    CHECK_INT(nearest_distance(SLICE("kitten"), SLICE("sitting")), 3);
    CHECK_INT(nearest_distance(SLICE(""), SLICE("abc")), 3);
    CHECK_INT(nearest_distance(SLICE("ABC"), SLICE("abc")), 0);
    char wide[65];
    memset(wide, 'x', sizeof(wide));
    CHECK(nearest_distance(slice_mem(wide, 65), SLICE("x")) == SIZE_MAX);
    CHECK_INT(nearest_distance(slice_mem(wide, 64), SLICE("x")), 63);
    CHECK(nearest_command(SLICE("zzzzzzzz")) == NULL);
}

/* --- tables --- */
TEST(columns_are_aligned)
{
    static const char *const heads[] = {"NAME", "N", "SAYS", NULL};
    static const char want[] = "NAME     N  SAYS\n"
                               "bücher   7  ok\n"
                               "-       12  a?b\n";
    struct arena a = {0};
    struct table t;
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    table_init(&t, &a, heads);
    table_cell(&t, SLICE("bücher"));
    table_int(&t, 7);
    table_cell(&t, SLICE("ok"));
    table_cell(&t, SLICE_NONE);
    table_int(&t, 12);
    table_cell(&t, SLICE("a\033b"));
    table_print(&t, out, "nothing");
    fclose(out);
    CHECK_STR(slice_str(text), want);
    free(text);
    arena_fini(&a);
}

TEST(a_table_grows_and_may_be_empty)
{
    static const char *const heads[] = {"X", "Y", NULL};
    struct arena a = {0};
    struct table t;
    char *text;
    size_t n, lines = 0;
    FILE *out = open_memstream(&text, &n);
    table_init(&t, &a, heads);
    table_print(&t, out, "no rows");
    for (int i = 0; i < 1000; i++)
        table_int(&t, i);
    table_print(&t, out, "no rows");
    fclose(out);
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    CHECK_INT(lines, 1 + 1 + 500);
    CHECK(has(text, "no rows\n"));
    CHECK(has(text, "998  999\n"));
    free(text);
    arena_fini(&a);
}

TEST(ages_and_durations)
{
    struct arena a = {0};
    CHECK_STR(table_age(&a, 0), "0 s");
    CHECK_STR(table_age(&a, 119999), "119 s");
    CHECK_STR(table_age(&a, 120000), "2 min");
    CHECK_STR(table_age(&a, 3 * 86400000LL), "3 d");
    CHECK_STR(table_duration(&a, 12), "12 ms");
    CHECK_STR(table_duration(&a, 1254), "1.25 s");
    CHECK_STR(table_duration(&a, 123000), "2 min 3 s");
    CHECK_STR(table_time(&a, 0), "-");
    CHECK_INT(table_time(&a, 1000000000000).n, 19);
    arena_fini(&a);
}

/* --- what is printed from the table --- */
TEST(every_command_has_its_help)
{
    struct buf text = {0};
    for (size_t i = 0; i < n_commands; i++) {
        size_t min, max;
        CHECK(commands[i].run);
        CHECK(commands[i].run == cmd_complete || (commands[i].help && *commands[i].help));
        CHECK(!slice_ends(slice_str(commands[i].help), SLICE(".")));
        CHECK((commands[i].must & ~commands[i].options) == 0);
        CHECK(commands[i].options & WITH(HELP));
        command_arity(&commands[i], &min, &max);
        CHECK(min <= max);
    }
    help_overview(&text);
    CHECK(slice_search(buf_slice(&text), SLICE("  partner allow DOMAIN  ")) != SIZE_MAX);
    buf_fini(&text);
}

TEST(completion_knows_the_words)
{
    static const char *const wants[] = {
        "\"cert\") next=\"required request import assign remove export sign renew list check trust crl\" ;;",
        "\"cert trust\") next=\"add remove list\" ;;",
        "\"service\") next=\"list stop start drain\" ;;",
        "\"publish\"*) options=\"--state --socket --json --help --message --wait --yes --dry-run\" ;;",
        "\"machine join\"*) options=\"--state --json --help\" ;;",
        "\"--format topology show\"*) COMPREPLY=($(compgen -W \"yaml json tree\" -- \"$now\")); return ;;",
        "\"--from transition\"*) words=:POOL; _entente_ask; return ;;",
        "\"--machine \"*) words=:MACHINE; _entente_ask; return ;;",
        "\"--message \"*|\"-m \"*) return ;;",
        "complete -o filenames -F _entente entente\n",
    };
    struct buf text = {0};
    completion_bash(&text);
    for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++)
        if (slice_search(buf_slice(&text), slice_str(wants[i])) == SIZE_MAX)
            TEST_DIAG("completion lacks '%s'", wants[i]);
    CHECK(slice_search(buf_slice(&text), SLICE("\"complete\"")) == SIZE_MAX);
    buf_fini(&text);
}

/* Every sense is of an option that its commands have, differs from the option's own, and comes before no
 * other of the same command. */
TEST(senses_of_options)
{
    struct buf text = {0};
    for (size_t i = 0; i < n_option_senses; i++) {
        const struct option_sense *s = &option_senses[i];
        size_t n = 0;
        for (size_t k = 0; k < n_commands; k++)
            n += slice_starts(slice_str(commands[k].words), slice_str(s->commands)) &&
                 commands[k].options >> s->option & 1 && option_of(&commands[k], s->option) == &s->row;
        if (n == 0)
            TEST_DIAG("no command has --%s by the sense of '%s'", s->row.name, s->commands);
        CHECK_STR(slice_str(s->row.name), option_rows[s->option].name);
        CHECK_INT(s->row.letter, option_rows[s->option].letter);
        CHECK_INT(s->row.value == NULL, option_rows[s->option].value == NULL);
        CHECK_INT(s->row.completes == COMPLETES_CHOICE, s->row.words != NULL);
    }
    size_t used;
    help_command(command_find((const char *[]){"transition", "plan"}, 2, &used), &text);
    CHECK(slice_starts(buf_slice(&text),
                       SLICE("usage: entente transition plan --from POOL --to POOL [OPTIONS]\n")));
    CHECK(slice_search(buf_slice(&text),
                       SLICE("\n  --from POOL               Edge pool that has the routes now\n")) !=
          SIZE_MAX);
    buf_fini(&text);
}

/* Known requests, balanced fonts, every command and option; lines that begin with a full stop are requests.
 */
TEST(the_man_page_is_roff)
{
    static const char *const requests[] = {".TH ", ".SH ", ".SS ", ".TP", ".B ", ".I ", ".BR ", ".\\\" "};
    struct buf text = {0};
    struct slice line, rest;
    help_man(&text);
    for (rest = buf_slice(&text); slice_cut(rest, '\n', &line, &rest);) {
        bool known = line.n > 0 && line.p[0] != '.' && line.p[0] != '\'';
        for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
            known = known || slice_starts(line, slice_str(requests[i]));
        size_t opened = 0, closed = 0;
        for (size_t i = 0; i + 2 < line.n; i++)
            if (line.p[i] == '\\' && line.p[i + 1] == 'f')
                *(line.p[i + 2] == 'R' ? &closed : &opened) += 1;
        if (!known || opened != closed)
            TEST_DIAG("'" SLICE_FMT "'", SLICE_ARG(line));
    }
    CHECK_INT(rest.n, 0);
    for (size_t i = 0; i < n_commands; i++) {
        char head[128];
        snprintf(head, sizeof(head), ".SS \"entente %s", commands[i].words);
        if ((slice_search(buf_slice(&text), slice_str(head)) != SIZE_MAX) != (commands[i].help != NULL))
            TEST_DIAG("%s", commands[i].words);
    }
    CHECK(slice_search(buf_slice(&text), SLICE("\\fB\\-m\\fR, \\fB\\-\\-message\\fR \\fITEXT\\fR\n")) !=
          SIZE_MAX);
    buf_fini(&text);
}

/* ENTENTE_WRITE_REFERENCE=1 writes the page anew after a change of the table. */
TEST(reference_is_what_the_table_says)
{
    struct buf want = {0}, got = {0};
    help_markdown(&want);
    CHECK(page_is("doc/cli.md", buf_slice(&want), &got));
    buf_fini(&want);
    buf_fini(&got);
}

TEST_MAIN(words_and_options_in_any_order, the_longest_command_counts, an_optional_value_is_a_number,
          two_dashes_end_the_options, the_state_comes_from_the_environment, what_is_wrong_is_said,
          arity_is_read_from_the_usage, distances, columns_are_aligned, a_table_grows_and_may_be_empty,
          ages_and_durations, every_command_has_its_help, senses_of_options, completion_knows_the_words,
          the_man_page_is_roff, reference_is_what_the_table_says)
