#include "cmd/entente/command.h"

#include <errno.h>
#include <stdlib.h>

/* --- commands --- */
static size_t words_match(const char *of_command, const char *const *words, size_t n)
{
    struct slice rest = slice_str(of_command), word;
    size_t used = 0;
    for (bool more = true; more; used++) {
        more = slice_cut(rest, ' ', &word, &rest);
        if (!more)
            word = rest;
        if (used == n || !slice_eq(word, slice_str(words[used])))
            return 0;
    }
    return used;
}

const struct command *command_find(const char *const *words, size_t n, size_t *ret_used)
{
    const struct command *found = NULL;
    size_t most = 0;
    for (size_t i = 0; i < n_commands; i++) {
        size_t used = words_match(commands[i].words, words, n);
        if (used > most) {
            most = used;
            found = &commands[i];
        }
    }
    *ret_used = most;
    return found;
}

void command_arity(const struct command *c, size_t *ret_min, size_t *ret_max)
{
    struct slice rest = slice_str(c->arguments), word;
    size_t min = 0, max = 0;
    bool any = false;
    for (bool more = rest.n > 0; more;) {
        more = slice_cut(rest, ' ', &word, &rest);
        if (!more)
            word = rest;
        min += !slice_starts(word, SLICE("["));
        max++;
        any = any || slice_search(word, SLICE("…")) != SIZE_MAX;
    }
    *ret_min = min;
    *ret_max = any ? SIZE_MAX : max;
}

const struct option_row *option_of(const struct command *c, enum option_id o)
{
    for (size_t i = 0; i < n_option_senses; i++) {
        const struct option_sense *s = &option_senses[i];
        if (s->option == o && slice_starts(slice_str(c->words), slice_str(s->commands)))
            return &s->row;
    }
    return &option_rows[o];
}

/* --- options --- */
__attribute__((format(printf, 2, 3))) static int wrong(struct invocation *v, const char *fmt, ...)
{
    va_list ap;
    fputs("entente: ", v->err);
    va_start(ap, fmt);
    vfprintf(v->err, fmt, ap);
    va_end(ap);
    fputc('\n', v->err);
    return EXIT_WRONG_USAGE;
}

static bool is_number(const char *s)
{
    char *end;
    if (*s < '0' || *s > '9')
        return false;
    strtod(s, &end);
    return *end == 0;
}

static size_t option_by_name(struct slice name)
{
    for (size_t i = 0; i < OPTION_N; i++)
        if (slice_eq(name, slice_str(option_rows[i].name)))
            return i;
    return OPTION_N;
}

static size_t option_by_letter(char letter)
{
    for (size_t i = 0; i < OPTION_N; i++)
        if (option_rows[i].letter == letter)
            return i;
    return OPTION_N;
}

struct arguments {
    int argc, i;
    char **argv;
};

/* with: the value that stands behind "=" or a letter, or NULL. */
static int take_option(struct invocation *v, size_t o, const char *with, struct arguments *a)
{
    const struct option_row *row = &option_rows[o];
    const char *next = a->i + 1 < a->argc ? a->argv[a->i + 1] : NULL;
    bool may_lack = row->value && row->value[0] == '[';
    if (!row->value && with)
        return wrong(v, "--%s takes no value", row->name);
    if (!row->value) {
        with = "";
    } else if (!with && may_lack) {
        with = next && is_number(next) ? a->argv[++a->i] : "";
    } else if (!with) {
        if (!next)
            return wrong(v, "--%s wants a value: --%s %s", row->name, row->name, row->value);
        with = a->argv[++a->i];
    }
    if (may_lack && *with && !is_number(with))
        return wrong(v, "'%s' is not a number of seconds (--%s)", with, row->name);
    v->options[o] = with;
    return 0;
}

static int take_long(struct invocation *v, const char *text, struct arguments *a)
{
    struct slice name = slice_str(text + 2), value;
    bool with = slice_cut(name, '=', &name, &value);
    size_t o = option_by_name(name);
    if (o < OPTION_N)
        return take_option(v, o, with ? value.p : NULL, a);
    const char *near = nearest_option(name);
    return wrong(v, "there is no option --" SLICE_FMT "%s%s%s", SLICE_ARG(name),
                 near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static int take_short(struct invocation *v, const char *text, struct arguments *a)
{
    size_t o = option_by_letter(text[1]);
    if (o == OPTION_N)
        return wrong(v, "there is no option -%c", text[1]);
    return take_option(v, o, text[2] ? text + 2 : NULL, a);
}

static int gather(struct invocation *v, int argc, char **argv)
{
    struct arguments a = {.argc = argc, .i = 1, .argv = argv};
    v->arguments = ARENA_ARRAY(&v->arena, const char *, (size_t)argc + 1);
    for (bool only_words = false; a.i < argc; a.i++) {
        const char *text = argv[a.i];
        int r = 0;
        if (only_words || text[0] != '-' || text[1] == 0)
            v->arguments[v->n_arguments++] = text;
        else if (strcmp(text, "--") == 0)
            only_words = true;
        else
            r = text[1] == '-' ? take_long(v, text, &a) : take_short(v, text, &a);
        if (r)
            return r;
    }
    return 0;
}

/* --- what they come to --- */
static int unknown_command(struct invocation *v)
{
    struct buf typed = {0}, list = {0};
    for (size_t i = 0; i < v->n_arguments; i++)
        buf_printf(&typed, "%s%s", i ? " " : "", v->arguments[i]);
    struct slice all = buf_slice(&typed), noun = slice_str(v->arguments[0]);
    const char *near = nearest_command(all);
    if (help_below(all, &list))
        wrong(v, "a word is missing behind '" SLICE_FMT "':\n" SLICE_FMT, SLICE_ARG(all),
              SLICE_ARG(buf_slice(&list)));
    else if (near)
        wrong(v, "there is no command '" SLICE_FMT "'; did you mean '%s'?", SLICE_ARG(all), near);
    else if (help_below(noun, &list))
        wrong(v, "there is no command '" SLICE_FMT "'; those that begin so:\n" SLICE_FMT, SLICE_ARG(all),
              SLICE_ARG(buf_slice(&list)));
    else if (help_below(nearest_noun(noun), &list))
        wrong(v, "there is no command '" SLICE_FMT "'; did you mean one of these?\n" SLICE_FMT,
              SLICE_ARG(all), SLICE_ARG(buf_slice(&list)));
    else
        wrong(v, "there is no command '" SLICE_FMT "'; entente help lists them", SLICE_ARG(all));
    buf_fini(&list);
    buf_fini(&typed);
    return EXIT_WRONG_USAGE;
}

static int usage_of(struct invocation *v)
{
    struct buf synopsis = {0};
    help_synopsis(v->command, &synopsis);
    fprintf(v->err, "usage: entente " SLICE_FMT "; entente %s --help says more\n",
            SLICE_ARG(buf_slice(&synopsis)), v->command->words);
    buf_fini(&synopsis);
    return EXIT_WRONG_USAGE;
}

static bool is_one_of(struct slice word, const char *words)
{
    struct slice known, rest = slice_str(words);
    while (slice_cut(rest, ' ', &known, &rest))
        if (slice_eq(word, known))
            return true;
    return slice_eq(word, rest);
}

static int check_option(struct invocation *v, enum option_id o)
{
    const struct command *c = v->command;
    const struct option_row *row = option_of(c, o);
    const char *value = v->options[o];
    if (value && !(c->options & 1ULL << o))
        return wrong(v, "%s takes no option --%s", c->words, row->name);
    if (!value && (c->must & 1ULL << o))
        return wrong(v, "%s wants --%s %s", c->words, row->name, row->value);
    if (value && row->completes == COMPLETES_CHOICE && !is_one_of(slice_str(value), row->words))
        return wrong(v, "'%s' is no --%s of %s; it takes: %s", value, row->name, c->words, row->words);
    return 0;
}

static int check(struct invocation *v)
{
    const struct command *c = v->command;
    size_t min, max;
    for (unsigned o = 0; o < OPTION_N; o++)
        if (check_option(v, o))
            return usage_of(v);
    command_arity(c, &min, &max);
    if (v->n_arguments < min || v->n_arguments > max) {
        wrong(v, v->n_arguments < min ? "%s: an argument is missing" : "%s: too many arguments", c->words);
        return usage_of(v);
    }
    return 0;
}

static void set_paths(struct invocation *v)
{
    const char *environment = getenv("ENTENTE_STATE");
    v->state = v->options[OPTION_STATE]      ? v->options[OPTION_STATE]
               : environment && *environment ? environment
                                             : ENTENTE_DEFAULT_STATE;
    v->socket = v->options[OPTION_SOCKET];
    if (!v->socket)
        v->socket = arena_cstr(&v->arena, arena_printf(&v->arena, "%s/entented.sock", v->state));
}

int options_parse(struct invocation *v, int argc, char **argv)
{
    size_t used;
    int r = gather(v, argc, argv);
    if (r)
        return r;
    set_paths(v);
    v->command = command_find(v->arguments, v->n_arguments, &used);
    v->arguments += used;
    v->n_arguments -= used;
    if (!v->command)
        return v->n_arguments ? unknown_command(v) : 0;
    return option_given(v, OPTION_HELP) ? 0 : check(v);
}
