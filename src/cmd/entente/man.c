/* entente.1, from the tables of commands and options (man(7)). */
#include "cmd/entente/command.h"

/* Text as roff prints it: a hyphen is one that can be copied, and no line begins a request. */
static void escaped(const char *text, struct buf *out)
{
    for (const char *s = text; *s; s++) {
        if (s == text && (*s == '.' || *s == '\''))
            buf_append(out, SLICE("\\&"));
        if (*s == '-')
            buf_append(out, SLICE("\\-"));
        else if (*s == '\\')
            buf_append(out, SLICE("\\e"));
        else if (strncmp(s, "…", 3) == 0) {
            buf_append(out, SLICE("..."));
            s += 2;
        } else
            buf_append_char(out, *s);
    }
}

static void request(const char *name, const char *text, struct buf *out)
{
    buf_printf(out, ".%s ", name);
    escaped(text, out);
    buf_append_char(out, '\n');
}

static void sentence(const char *text, struct buf *out)
{
    char first[2] = {*text >= 'a' && *text <= 'z' ? (char)(*text - 'a' + 'A') : *text, 0};
    escaped(first, out);
    escaped(text + 1, out);
    buf_append(out, SLICE(".\n"));
}

/* ".TP", the option in bold with its value in italics, its help. */
static void option(const struct option_row *o, bool must, struct buf *out)
{
    buf_append(out, SLICE(".TP\n\\fB"));
    if (o->letter)
        buf_printf(out, "\\-%c\\fR, \\fB", o->letter);
    buf_append(out, SLICE("\\-\\-"));
    escaped(o->name, out);
    buf_append(out, SLICE("\\fR"));
    if (o->value) {
        buf_append(out, SLICE(" \\fI"));
        escaped(o->value, out);
        buf_append(out, SLICE("\\fR"));
    }
    buf_append_char(out, '\n');
    escaped(o->help, out);
    buf_append(out, must ? SLICE(" (needed)\n") : SLICE("\n"));
}

static void options(const struct command *c, struct buf *out)
{
    uint64_t own = c->options & ~(uint64_t)WITH_DAEMON;
    for (unsigned o = 0; o < OPTION_N; o++)
        if (own >> o & 1)
            option(option_of(c, o), c->must >> o & 1, out);
}

static void command(const struct command *c, struct buf *out)
{
    buf_append(out, SLICE(".SS \"entente "));
    escaped(c->words, out);
    buf_append_char(out, ' ');
    escaped(c->arguments, out);
    if (!*c->arguments)
        out->end--;
    buf_append(out, SLICE("\"\n"));
    sentence(c->help, out);
    if (c->more) {
        escaped(c->more, out);
        buf_append_char(out, '\n');
    }
    options(c, out);
}

static const struct {
    const char *path, *help;
} files[] = {
    {ENTENTE_DEFAULT_STATE,                  "state folder, when neither --state nor $ENTENTE_STATE names one"},
    {ENTENTE_DEFAULT_STATE "/entented.sock", "the daemon's socket; who may open it may use it"                },
};
static const struct {
    const char *name, *help;
} environment[] = {
    {"ENTENTE_STATE",   "state folder, when --state does not name one"},
    {"VISUAL, EDITOR",  "the editor of topology edit"                 },
    {"SUDO_USER, USER", "who did it, in the history"                  },
};
static const char *const exits[] = {"done", "wrong usage",
                                    "refused or failed: a sentence with a stable id on "
                                    "standard error",
                                    "the daemon cannot be reached"};

void help_man(struct buf *out)
{
    buf_printf(out,
               ".\\\" Made from the table of commands by `entente help --man`.\n"
               ".TH ENTENTE 1 \"\" \"entente %s\" \"Entente\"\n",
               ENTENTE_VERSION);
    buf_append(out, SLICE(".SH NAME\nentente \\- command line of a federation edge for SIP\n"
                          ".SH SYNOPSIS\n.B entente\n[\\fB\\-\\-state\\fR \\fIDIR\\fR] \\fICOMMAND\\fR "
                          "[\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n"));
    escaped(
        "Commands ask the daemon of this machine, entented(8), through the socket in its state folder. What "
        "concerns the whole deployment is asked on the machine of central management; changes are made in a "
        "draft, and nothing runs before it is published. Options may stand anywhere; -- ends them.",
        out);
    buf_append(out, SLICE("\n.SH OPTIONS\nEvery command that asks the daemon takes:\n"));
    for (unsigned o = 0; o < OPTION_N; o++)
        if (WITH_DAEMON & 1ULL << o)
            option(&option_rows[o], false, out);
    buf_append(out, SLICE(".SH COMMANDS\n"));
    for (size_t i = 0; i < n_commands; i++)
        if (commands[i].help)
            command(&commands[i], out);
    buf_append(out, SLICE(".SH EXIT STATUS\n"));
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
        buf_printf(out, ".TP\n%zu\n", i);
        escaped(exits[i], out);
        buf_append_char(out, '\n');
    }
    buf_append(out, SLICE(".SH ENVIRONMENT\n"));
    for (size_t i = 0; i < sizeof(environment) / sizeof(environment[0]); i++) {
        buf_append(out, SLICE(".TP\n"));
        request("B", environment[i].name, out);
        escaped(environment[i].help, out);
        buf_append_char(out, '\n');
    }
    buf_append(out, SLICE(".SH FILES\n"));
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        buf_append(out, SLICE(".TP\n"));
        request("I", files[i].path, out);
        escaped(files[i].help, out);
        buf_append_char(out, '\n');
    }
    buf_append(out, SLICE(".SH SEE ALSO\n.BR entented (8)\n"));
}
