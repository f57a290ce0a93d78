#include "cmd/entente/edit.h"

#include "cmd/entente/file.h"
#include "cmd/entente/table.h"
#include "cmd/entente/wait.h"
#include "ground/base/mem.h"
#include "kept/topology/patch.h"
#include "kept/topology/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* One session. Trees and texts live in the invocation's arena. */
struct editing {
    struct invocation *v;
    char *file;
    struct slice began;             /* what the editor was given */
    struct slice typed;             /* what came back */
    const struct json_value *base;  /* the document that it was made from */
    int64_t version, base_revision; /* of that */
    bool asks;                      /* there is a terminal to ask on */
};

/* --- saying --- */
void edit_say_theirs(struct invocation *v, const struct json_value *theirs)
{
    struct slice author = json_get_string(theirs, "author"), comment = json_get_string(theirs, "comment");
    struct slice when = table_time(&v->arena, json_get_int(theirs, "time_ms", 0));
    int64_t number = json_get_int(theirs, "number", 0);
    if (!author.n)
        return;
    call_put(v->err, author);
    if (number)
        fprintf(v->err, " published revision %lld on ", (long long)number);
    else
        fputs(" changed the draft on ", v->err);
    call_put(v->err, when);
    fputs(comment.n ? ": " : "", v->err);
    call_put(v->err, comment);
    fputc('\n', v->err);
}

static struct slice line_of(struct slice text, int64_t number)
{
    struct slice line, rest = text;
    while (slice_cut(rest, '\n', &line, &rest))
        if (--number == 0)
            return line;
    return number == 1 ? rest : SLICE_NONE;
}

void edit_findings(FILE *to, const struct json_value *findings, struct slice text)
{
    for (size_t i = 0; i < json_count(findings); i++) {
        const struct json_value *f = json_at(findings, i);
        struct slice severity = json_get_string(f, "severity"), path = json_get_string(f, "path");
        struct slice remedy = json_get_string(f, "remedy");
        int64_t line = json_get_int(f, "line", 0);
        if (line)
            fprintf(to, "line %lld: ", (long long)line);
        call_put(to, severity.n ? severity : SLICE("error"));
        fputc(' ', to);
        call_put(to, json_get_string(f, "id"));
        fputs(path.n ? " " : "", to);
        call_put(to, path);
        fputs(": ", to);
        call_put(to, json_get_string(f, "text"));
        fputs(remedy.n ? " (" : "", to);
        call_put(to, remedy);
        fputs(remedy.n ? ")\n" : "\n", to);
        if (line_of(text, line).n) {
            fprintf(to, "  %5lld | ", (long long)line);
            call_put(to, line_of(text, line));
            fputc('\n', to);
        }
    }
}

static int keep_file(struct editing *e, int code)
{
    fprintf(e->v->err,
            "entente: what was typed is kept in %s; entente topology import %s makes it the draft\n", e->file,
            e->file);
    return code;
}

static int discard(struct editing *e)
{
    unlink(e->file);
    fputs("discarded; the draft is as it was\n", e->v->err);
    return EXIT_DONE;
}

/* The letter that was chosen; 0 when nobody answers. */
static char ask(struct editing *e, const char *question, const char *letters)
{
    for (;;) {
        char first = 0, c = 0;
        ssize_t n;
        fprintf(e->v->err, "%s ", question);
        fflush(e->v->err);
        while ((n = read(e->v->in, &c, 1)) == 1 && c != '\n')
            if (!first)
                first = (char)(c | 0x20);
        if (first && strchr(letters, first))
            return first;
        if (n != 1)
            return 0;
    }
}

/* --- the file and the editor --- */
static int write_file(struct editing *e, struct slice text)
{
    const char *folder = getenv("TMPDIR");
    if (!e->file) {
        e->file = arena_cstr(&e->v->arena, arena_printf(&e->v->arena, "%s/entente-draft-XXXXXX.yaml",
                                                        folder && *folder ? folder : "/tmp"));
        int fd = mkostemps(e->file, 5, O_CLOEXEC);
        if (fd < 0)
            return call_fail(e->v, "edit.file", "cannot make %s: %s", e->file, strerror(errno));
        close(fd);
    }
    e->began = text;
    return file_write(e->v, e->file, text, 0600);
}

static const char *editor(void)
{
    const char *names[] = {getenv("VISUAL"), getenv("EDITOR")};
    for (size_t i = 0; i < 2; i++)
        if (names[i] && *names[i])
            return names[i];
    return NULL;
}

/* As git and visudo do: a shell runs it, so that it may have arguments. Keys that end programs are for the
 * editor, not for us. */
static int run_shell(struct editing *e, const char *command)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
    int status = 0;
    sigaction(SIGINT, &ignore, &interrupt);
    sigaction(SIGQUIT, &ignore, &quit);
    pid_t pid = fork();
    if (pid == 0) {
        sigaction(SIGINT, &interrupt, NULL);
        sigaction(SIGQUIT, &quit, NULL);
        if (e->v->in == STDIN_FILENO || dup2(e->v->in, STDIN_FILENO) >= 0)
            execl("/bin/sh", "sh", "-c", command, "sh", e->file, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGQUIT, &quit, NULL);
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_editor(struct editing *e)
{
    const char *name = editor();
    struct buf text = {0};
    if (!name)
        name = access("/usr/bin/editor", X_OK) == 0 ? "editor" : "vi";
    int failed = run_shell(e, arena_cstr(&e->v->arena, arena_printf(&e->v->arena, "%s \"$1\"", name)));
    if (failed)
        call_fail(e->v, "edit.editor",
                  failed == 127 ? "there is no editor '%s': set $VISUAL or $EDITOR"
                                : "the editor '%s' failed",
                  name);
    int r = file_read(e->v, e->file, &text);
    e->typed = arena_copy(&e->v->arena, buf_slice(&text));
    buf_fini(&text);
    if (r || !failed)
        return r;
    if (!slice_eq(e->typed, e->began))
        return keep_file(e, EXIT_REFUSED);
    unlink(e->file); /* nothing was typed */
    return EXIT_REFUSED;
}

/* --- the draft --- */
static struct json_value *tree_of(struct editing *e, struct slice text)
{
    struct json_value *doc = NULL;
    struct json_error error;
    bool json = slice_starts(slice_trim(text), SLICE("{"));
    int r =
        json ? json_parse(text, &e->v->arena, &doc, &error) : yaml_parse(text, &e->v->arena, &doc, &error);
    return r < 0 ? NULL : doc;
}

/* The draft as it is now: base and versions are set. */
static int fetch(struct editing *e, struct answer *ret)
{
    int r = call_api(e->v, "GET", SLICE("/v1/draft?format=yaml"), NULL, ret);
    if (r)
        return r;
    e->version = json_get_int(ret->json, "version", 0);
    e->base_revision = json_get_int(ret->json, "base_revision", 0);
    e->base = tree_of(e, json_get_string(ret->json, "text"));
    return EXIT_DONE;
}

static void write_head(struct editing *e, const struct json_value *answer, struct buf *out)
{
    struct slice author = json_get_string(answer, "author");
    if (author.n)
        buf_printf(out,
                   "#: The draft on top of revision %lld, last changed by " SLICE_FMT " on " SLICE_FMT ".\n",
                   (long long)e->base_revision, SLICE_ARG(author),
                   SLICE_ARG(table_time(&e->v->arena, json_get_int(answer, "time_ms", 0))));
    else
        buf_printf(out, "#: Revision %lld. What is changed here becomes the draft.\n",
                   (long long)e->base_revision);
    buf_append(out, SLICE("#: When the editor ends, it is checked; nothing runs before it is published.\n"));
}

static int begin(struct editing *e)
{
    struct answer answer;
    struct buf text = {0};
    int r = fetch(e, &answer);
    if (r)
        return r;
    write_head(e, answer.json, &text);
    buf_append(&text, json_get_string(answer.json, "text"));
    r = write_file(e, arena_copy(&e->v->arena, buf_slice(&text)));
    buf_fini(&text);
    return r;
}

/* --- another one came first --- */
static void show_diff(struct editing *e, const char *head, const struct topology_change *changes, size_t n)
{
    struct buf text = {0};
    topology_diff_write(changes, n, &text);
    fprintf(e->v->err, "%s\n", head);
    call_put(e->v->err, n ? buf_slice(&text) : SLICE("(nothing)\n"));
    buf_fini(&text);
}

struct both {
    struct topology_change *mine, *theirs;
    size_t n_mine, n_theirs;
};

/* Theirs with what was typed on top of it, in the file; what does not fit stands at its head. */
static int merge(struct editing *e, const struct json_value *answer, const struct both *b)
{
    struct buf text = {0};
    struct findings f = {0};
    const struct topology_place whole = {PLACE_OBJECT, &topology_root, NULL};
    struct json_value *doc = tree_of(e, json_get_string(answer, "text"));
    topology_conflicts(b->mine, b->n_mine, b->theirs, b->n_theirs, &f);
    topology_apply(&e->v->arena, doc, b->mine, b->n_mine, &f);
    write_head(e, answer, &text);
    buf_append(&text, SLICE("#: Your changes are on top of theirs.\n"));
    for (size_t i = 0; i < f.n; i++)
        buf_printf(&text, "#: %s " SLICE_FMT ": " SLICE_FMT "\n", f.items[i].id, SLICE_ARG(f.items[i].path),
                   SLICE_ARG(f.items[i].text));
    yaml_write(topology_in_order(&whole, doc, &e->v->arena), &text);
    int r = write_file(e, arena_copy(&e->v->arena, buf_slice(&text)));
    e->began = SLICE_NONE; /* saving it as it is counts */
    findings_fini(&f);
    buf_fini(&text);
    return r;
}

/* WAIT_AGAIN: the editor again. */
static int overtaken(struct editing *e, const struct answer *refusal)
{
    struct answer answer;
    struct both b;
    const struct json_value *before = e->base, *mine = tree_of(e, e->typed);
    edit_say_theirs(e->v, json_get(refusal->json, "theirs"));
    call_refused(e->v, refusal);
    if (fetch(e, &answer) || !e->base || !before || !mine)
        return keep_file(e, EXIT_REFUSED);
    topology_diff(before, e->base, &e->v->arena, &b.theirs, &b.n_theirs);
    topology_diff(before, mine, &e->v->arena, &b.mine, &b.n_mine);
    show_diff(e, "--- theirs:", b.theirs, b.n_theirs);
    show_diff(e, "--- yours:", b.mine, b.n_mine);
    char c =
        e->asks ? ask(e, "[e]dit again on top of theirs, [k]eep the file and leave, [d]iscard?", "ekd") : 0;
    if (c == 'd')
        return discard(e);
    if (c != 'e')
        return keep_file(e, EXIT_REFUSED);
    int r = merge(e, answer.json, &b);
    return r ? r : WAIT_AGAIN;
}

/* --- what was typed --- */
/* Lines that begin with "#:" are ours; all other comments stay with the draft. */
static struct slice without_head(struct slice text)
{
    struct slice line, rest;
    while (slice_starts(text, SLICE("#:")) && slice_cut(text, '\n', &line, &rest))
        text = rest;
    return text;
}

static int put(struct editing *e)
{
    struct invocation *v = e->v;
    struct json_value *body = json_object(&v->arena);
    struct answer answer;
    json_set_string(&v->arena, body, "text", without_head(e->typed));
    json_set_string(&v->arena, body, "author", wait_author(v));
    json_set_int(&v->arena, body, "version", e->version);
    json_set_int(&v->arena, body, "base_revision", e->base_revision);
    int r = call_ask(v, "PUT", SLICE("/v1/draft"), body, &answer);
    if (r == EXIT_REFUSED && slice_eq(json_get_string(answer.json, "id"), SLICE("draft.changed")))
        return overtaken(e, &answer);
    if (r == EXIT_REFUSED)
        call_refused(v, &answer);
    if (r)
        return keep_file(e, r);
    unlink(e->file);
    if (!call_json(v, &answer))
        fputs("the draft is changed; entente topology diff shows it, entente publish makes it a revision\n",
              v->out);
    return EXIT_DONE;
}

/* The findings, and what shall become of it. WAIT_AGAIN: the editor again. */
static int judge(struct editing *e)
{
    static const char good[] = "[e]dit again, [k]eep it in the draft all the same, [d]iscard?",
                      bad[] = "[e]dit again, [k]eep the file and leave, [d]iscard?";
    struct json_value *body = json_object(&e->v->arena);
    struct answer answer;
    json_set_string(&e->v->arena, body, "text", e->typed);
    int r = call_api(e->v, "POST", SLICE("/v1/check"), body, &answer);
    if (r)
        return keep_file(e, r);
    const struct json_value *findings = json_get(answer.json, "findings");
    bool fits = json_get_bool(answer.json, "topology", false);
    edit_findings(e->v->err, findings, e->typed);
    char c = !json_count(findings) ? 'k' : e->asks ? ask(e, fits ? good : bad, "ekd") : fits ? 'k' : 0;
    if (c == 'e')
        return WAIT_AGAIN;
    if (c == 'd')
        return discard(e);
    if (c == 'k' && fits)
        return put(e);
    if (!e->asks)
        call_fail(e->v, "edit.not-a-topology", "this cannot become the draft");
    return keep_file(e, EXIT_REFUSED);
}

int cmd_topology_edit(struct invocation *v)
{
    struct editing e = {.v = v};
    bool terminal = isatty(v->in) && wait_on_terminal(v->err);
    e.asks = terminal && !option_given(v, OPTION_JSON);
    if (!terminal && !editor())
        return call_fail(v, "edit.no-terminal",
                         "there is no terminal for an editor, and neither $VISUAL nor $EDITOR is set: use "
                         "topology export and topology import");
    int r = begin(&e);
    while (r == EXIT_DONE || r == WAIT_AGAIN) {
        r = run_editor(&e);
        if (r)
            return r;
        if (slice_eq(e.typed, e.began)) {
            unlink(e.file);
            fputs("nothing was changed\n", v->err);
            return EXIT_DONE;
        }
        r = judge(&e);
        if (r != WAIT_AGAIN)
            return r;
    }
    return r;
}
