#include "cmd/entente/command.h"

static const char exit_codes[] = "0 done, 1 wrong usage, 2 refused or failed, 3 the daemon cannot be reached";

static struct slice noun_of(const struct command *c)
{
    struct slice words = slice_str(c->words), noun, rest;
    return slice_cut(words, ' ', &noun, &rest) ? noun : words;
}

/* Bytes that continue a character do not count. */
static size_t columns(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void pad(struct buf *out, size_t n)
{
    while (n--)
        buf_append_char(out, ' ');
}

/* A help line as a sentence. */
static void sentence(const char *help, struct buf *out)
{
    char first = *help >= 'a' && *help <= 'z' ? (char)(*help - 'a' + 'A') : *help;
    buf_append_char(out, first);
    buf_printf(out, "%s.", help + 1);
}

static void synopsis(const struct command *c, struct buf *out)
{
    buf_printf(out, "%s%s%s", c->words, *c->arguments ? " " : "", c->arguments);
}

void help_synopsis(const struct command *c, struct buf *out)
{
    synopsis(c, out);
    for (unsigned o = 0; o < OPTION_N; o++)
        if (c->must & 1ULL << o)
            buf_printf(out, " --%s %s", option_of(c, o)->name, option_of(c, o)->value);
}

static void one_line(const struct command *c, struct buf *out)
{
    enum { HELP_COLUMN = 38 };
    size_t n = columns(c->words) + columns(c->arguments) + (*c->arguments != 0);
    buf_append(out, SLICE("  "));
    synopsis(c, out);
    pad(out, n < HELP_COLUMN ? HELP_COLUMN - n : 1);
    buf_printf(out, "%s\n", c->help);
}

static void option_form(const struct option_row *o, struct buf *out)
{
    if (o->letter)
        buf_printf(out, "-%c, ", o->letter);
    buf_printf(out, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
}

static void option_line(const struct option_row *o, struct buf *out)
{
    enum { HELP_COLUMN = 26 };
    struct buf form = {0};
    option_form(o, &form);
    buf_append(out, SLICE("  "));
    buf_append(out, buf_slice(&form));
    pad(out, buf_len(&form) < HELP_COLUMN ? HELP_COLUMN - buf_len(&form) : 1);
    buf_printf(out, "%s\n", o->help);
    buf_fini(&form);
}

void help_overview(struct buf *out)
{
    buf_append(out, SLICE("usage: entente [--state DIR] COMMAND [ARGUMENTS] [OPTIONS]\n\n"));
    for (size_t i = 0; i < n_commands; i++)
        if (commands[i].help)
            one_line(&commands[i], out);
    buf_append(out, SLICE("\nwith every command that asks the daemon:\n"));
    for (unsigned o = 0; o < OPTION_N; o++)
        if (WITH_DAEMON & 1ULL << o)
            option_line(&option_rows[o], out);
    buf_printf(out, "\nentente COMMAND --help says more. Exit status: %s.\n", exit_codes);
}

size_t help_below(struct slice words, struct buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < n_commands; i++) {
        struct slice known = slice_str(commands[i].words);
        if (commands[i].help && slice_starts(known, words) && known.n > words.n && known.p[words.n] == ' ') {
            one_line(&commands[i], out);
            n++;
        }
    }
    return n;
}

void help_command(const struct command *c, struct buf *out)
{
    buf_append(out, SLICE("usage: entente "));
    help_synopsis(c, out);
    buf_append(out, SLICE(" [OPTIONS]\n\n"));
    sentence(c->help ? c->help : "asked by the completion of shells", out);
    buf_printf(out, "%s%s\n\n", c->more ? "\n" : "", c->more ? c->more : "");
    for (unsigned o = 0; o < OPTION_N; o++)
        if (c->options & 1ULL << o)
            option_line(option_of(c, o), out);
}

/* --- doc/cli.md --- */
static const struct command every_command = {.words = "", .arguments = "", .options = WITH_DAEMON};

static void markdown_options(const struct command *c, uint64_t which, struct buf *out)
{
    struct buf form = {0};
    for (unsigned o = 0; o < OPTION_N; o++) {
        if (!(which & 1ULL << o))
            continue;
        buf_clear(&form, SIZE_MAX);
        option_form(option_of(c, o), &form);
        buf_printf(out, "- `" SLICE_FMT "`: %s%s\n", SLICE_ARG(buf_slice(&form)), option_of(c, o)->help,
                   c->must & 1ULL << o ? " (needed)" : "");
    }
    buf_fini(&form);
}

static void markdown_command(const struct command *c, struct buf *out)
{
    uint64_t own = c->options & ~(uint64_t)WITH_DAEMON;
    buf_append(out, SLICE("### `entente "));
    synopsis(c, out);
    buf_append(out, SLICE("`\n\n"));
    sentence(c->help, out);
    buf_printf(out, "%s%s\n\n", c->more ? " " : "", c->more ? c->more : "");
    markdown_options(c, own, out);
    if (own)
        buf_append_char(out, '\n');
}

void help_markdown(struct buf *out)
{
    struct slice noun = SLICE_NONE;
    buf_append(out, SLICE("# The command line\n\n"
                          "<!-- Made from the table of commands by `entente help --markdown`. -->\n\n"
                          "    entente [--state DIR] COMMAND [ARGUMENTS] [OPTIONS]\n\n"
                          "Commands ask the daemon of this machine through the socket in its state folder, "
                          "guarded by the rights of that file. What concerns the whole deployment is asked "
                          "on the machine of central management; changes are made in a draft, and nothing "
                          "runs before it is published. Options may stand anywhere; `--` ends them.\n\n"));
    buf_printf(
        out,
        "Exit status: %s. Errors are one sentence with a stable id, on standard error; with --json the "
        "same as JSON on standard output, but for wrong usage.\n\n",
        exit_codes);
    buf_append(out, SLICE("Every command that asks the daemon takes:\n\n"));
    markdown_options(&every_command, WITH_DAEMON, out);
    buf_append_char(out, '\n');
    for (size_t i = 0; i < n_commands; i++) {
        if (!commands[i].help)
            continue;
        if (!slice_eq(noun, noun_of(&commands[i]))) {
            noun = noun_of(&commands[i]);
            buf_printf(out, "## " SLICE_FMT "\n\n", SLICE_ARG(noun));
        }
        markdown_command(&commands[i], out);
    }
    out->end--; /* the last empty line */
}

/* --- the commands themselves --- */
static void put(struct invocation *v, struct buf *text)
{
    fwrite(buf_slice(text).p, 1, buf_len(text), v->out);
    buf_fini(text);
}

static struct slice typed(struct invocation *v)
{
    struct slice words = argument(v, 0);
    for (size_t i = 1; i < v->n_arguments; i++)
        words = arena_printf(&v->arena, SLICE_FMT " %s", SLICE_ARG(words), v->arguments[i]);
    return words;
}

int cmd_help(struct invocation *v)
{
    struct buf text = {0};
    size_t used;
    const struct command *c = command_find(v->arguments, v->n_arguments, &used);
    if (option_given(v, OPTION_MARKDOWN)) {
        help_markdown(&text);
    } else if (option_given(v, OPTION_MAN)) {
        help_man(&text);
    } else if (c && used == v->n_arguments) {
        help_command(c, &text);
    } else if (v->n_arguments == 0) {
        help_overview(&text);
    } else if (!help_below(typed(v), &text)) {
        const char *near = nearest_command(typed(v));
        fprintf(v->err, "entente: there is no such command; %s%s%s\n", near ? "did you mean '" : "",
                near ? near : "entente help lists them", near ? "'?" : "");
        return EXIT_WRONG_USAGE;
    }
    put(v, &text);
    return EXIT_DONE;
}

int cmd_version(struct invocation *v)
{
    fprintf(v->out, option_given(v, OPTION_JSON) ? "{\n  \"version\": \"%s\"\n}\n" : "entente %s\n",
            ENTENTE_VERSION);
    return EXIT_DONE;
}

int cmd_completion(struct invocation *v)
{
    struct buf text = {0};
    if (!slice_eq(argument(v, 0), SLICE("bash"))) {
        fprintf(v->err, "entente: there is no completion for '%s', only for bash\n", v->arguments[0]);
        return EXIT_WRONG_USAGE;
    }
    completion_bash(&text);
    put(v, &text);
    return EXIT_DONE;
}

static int finish(struct invocation *v, int code)
{
    if ((fflush(v->out) || ferror(v->out)) && code == EXIT_DONE) {
        fputs("entente: cannot write the output\n", v->err);
        code = EXIT_REFUSED;
    }
    fflush(v->err);
    arena_fini(&v->arena);
    return code;
}

int entente_run(int argc, char **argv, int in, FILE *out, FILE *err)
{
    struct invocation v = {.in = in, .out = out, .err = err};
    struct buf text = {0};
    int r = options_parse(&v, argc, argv);
    if (r)
        return finish(&v, r);
    if (v.command && !option_given(&v, OPTION_HELP))
        return finish(&v, v.command->run(&v));
    if (v.command)
        help_command(v.command, &text);
    else if (option_given(&v, OPTION_VERSION))
        return finish(&v, cmd_version(&v));
    else
        help_overview(&text);
    if (!v.command && !option_given(&v, OPTION_HELP)) {
        v.out = err;
        r = EXIT_WRONG_USAGE;
    }
    put(&v, &text);
    return finish(&v, r);
}
