/* Drafts, checks, revisions, publishing. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "kept/topology/patch.h"
#include "kept/topology/place.h"
#include "kept/topology/rebase.h"

#include <errno.h>

static struct slice author_of(const struct api_call *q)
{
    struct slice author = json_get_string(q->in, "author");
    return author.n ? author : SLICE("unknown");
}

/* --- showing --- */
/* The document, or what is at ?path=, as ?format=yaml ("text") or json ("document"). */
static int put_document(struct api_call *q, const struct json_value *doc)
{
    struct slice path = q->query[QUERY_PATH], format = q->query[QUERY_FORMAT];
    struct json_value *at = NULL;
    struct topology_place place;
    struct findings f = {0};
    struct buf text = {0};
    int r = topology_edit_look(doc, path, &q->a, &at, &f);
    if (r == TOPOLOGY_IS_DEFAULT)
        json_set_bool(&q->a, q->out, "default", true);
    if (r < 0) {
        struct slice words = f.n ? f.items[0].text : SLICE("no such path");
        refuse(&q->why, 404, "topology.no-such-path", "There is nothing at '" SLICE_FMT "': " SLICE_FMT "%s",
               SLICE_ARG(slice_head(path, 200)), SLICE_ARG(words), slice_ends(words, SLICE("?")) ? "" : ".");
    }
    findings_fini(&f);
    if (q->why.status)
        return -EPROTO;
    if (format.n && !slice_eq(format, SLICE("yaml")) && !slice_eq(format, SLICE("json")))
        return refuse(&q->why, 400, "api.format", "The format is yaml or json.");
    if (slice_eq(format, SLICE("json"))) {
        json_set(&q->a, q->out, "document", at);
        return 0;
    }
    if (topology_place_find(path, &place, NULL) == 0)
        at = topology_in_order(&place, at, &q->a);
    yaml_write(at, &text);
    json_set_string(&q->a, q->out, "text", buf_slice(&text));
    buf_fini(&text);
    return 0;
}

static void put_draft_state(struct api_call *q, struct json_value *o, const struct draft *d)
{
    json_set_bool(&q->a, o, "draft", d->version != 0);
    json_set_int(&q->a, o, "version", (int64_t)d->version);
    json_set_int(&q->a, o, "base_revision", (int64_t)d->base);
    if (d->author.n)
        json_set_string(&q->a, o, "author", d->author);
    if (d->time_ms)
        json_set_int(&q->a, o, "time_ms", d->time_ms);
}

static int draft_show(struct api_call *q, struct vault *v)
{
    struct draft d;
    if (draft_load(v, &q->a, &d, &q->why) < 0)
        return -EPROTO;
    put_draft_state(q, q->out, &d);
    struct slice typed, format = q->query[QUERY_FORMAT];
    bool yaml = !format.n || slice_eq(format, SLICE("yaml"));
    if (!yaml || q->query[QUERY_PATH].n || !draft_text(v, d.doc, &q->a, &typed))
        return put_document(q, d.doc);
    json_set_string(&q->a, q->out, "text", typed);
    return 0;
}

static void put_revision(struct api_call *q, struct json_value *o, uint64_t number, struct slice hash,
                         struct slice author, struct slice comment, int64_t time_ms)
{
    json_set_int(&q->a, o, "number", (int64_t)number);
    json_set_string(&q->a, o, "hash", hash);
    json_set_string(&q->a, o, "author", author);
    json_set_string(&q->a, o, "comment", comment);
    json_set_int(&q->a, o, "time_ms", time_ms);
}

static int topology_show(struct api_call *q, struct vault *v)
{
    uint64_t number;
    struct revision *rev = NULL;
    struct json_value *doc;
    if (api_number(q, q->query[QUERY_REVISION], 0, &number) < 0 ||
        vault_revision(v, number, &q->a, &rev, &doc, &q->why) < 0)
        return -EPROTO;
    put_revision(q, q->out, rev->number, slice_str(rev->hash), rev->author, rev->comment, rev->time_ms);
    revision_free(rev);
    return put_document(q, doc);
}

static int history(struct api_call *q, struct vault *v)
{
    struct store_revision_info *list;
    size_t n;
    struct json_value *out = json_array(&q->a);
    int r = store_revision_list(v->store, &q->a, &list, &n);
    if (r < 0)
        return refuse_store(&q->why, v, r);
    for (size_t i = 0; i < n; i++) {
        struct json_value *o = json_object(&q->a);
        put_revision(q, o, list[i].number, list[i].hash, list[i].author, list[i].comment, list[i].time_ms);
        json_push(&q->a, out, o);
    }
    json_set(&q->a, q->out, "revisions", out);
    return 0;
}

/* --- the draft --- */
/* Of what the store wrote, nobody saw a line. */
static void forget_lines(struct findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->items[i].line = 0;
}

/* The version that a change expects: as given, or the present one. */
static uint64_t expected_version(const struct api_call *q, const struct draft *d)
{
    int64_t given = json_get_int(q->in, "version", -1);
    return given >= 0 ? (uint64_t)given : d->version;
}

/* Who came first: the draft as it is, or, when there is none by now, the revision that was made of it. */
static int changed_meanwhile(struct api_call *q, struct vault *v, const struct draft *d)
{
    struct store_revision_info *list;
    size_t n = 0;
    q->theirs = json_object(&q->a);
    put_draft_state(q, q->theirs, d);
    if (d->version)
        return refuse(&q->why, 409, "draft.changed",
                      SLICE_FMT " changed the draft meanwhile: look at it, then change it again.",
                      SLICE_ARG(d->author));
    if (store_revision_list(v->store, &q->a, &list, &n) == 0 && n)
        put_revision(q, q->theirs, list[0].number, list[0].hash, list[0].author, list[0].comment,
                     list[0].time_ms);
    return refuse(&q->why, 409, "draft.changed",
                  "The draft was published or dropped meanwhile: look at what is published.");
}

/* Another one's draft was changed. */
static void put_before(struct api_call *q, const struct draft *d)
{
    struct json_value *before = json_object(&q->a);
    if (!d->author.n || slice_eq(d->author, author_of(q)))
        return;
    put_draft_state(q, before, d);
    json_set(&q->a, q->out, "before", before);
}

/* lines: the document is what somebody typed. */
static int draft_save(struct api_call *q, struct vault *v, const struct draft *now,
                      const struct json_value *doc, uint64_t base, bool lines)
{
    struct draft d = {.base = base};
    struct topology *t = NULL;
    uint64_t expected = expected_version(q, now);
    if (expected != now->version)
        return changed_meanwhile(q, v, now);
    if (draft_store(v, doc, expected, base, author_of(q), &d.version, &q->why) < 0)
        return -EPROTO;
    put_draft_state(q, q->out, &d);
    put_before(q, now);
    vault_check(v, doc, &t, &q->findings); /* a draft may be wrong for a while: they are told */
    topology_unref(t);
    if (lines)
        findings_locate(&q->findings, doc);
    else
        forget_lines(&q->findings);
    return 0;
}

/* The body is {"text": YAML or JSON, "version", "author"}, or the document itself. */
static int draft_put(struct api_call *q, struct vault *v)
{
    struct json_value *doc;
    struct draft d;
    if (document_parse(q->body, &q->a, &doc, &q->why) < 0 || draft_load(v, &q->a, &d, &q->why) < 0)
        return -EPROTO;
    const struct json_value *text = json_get(doc, "text");
    if (text && text->kind == JSON_STRING) {
        q->in = doc;
        if (document_parse(text->string, &q->a, &doc, &q->why) < 0)
            return -EPROTO;
    }
    struct topology *t = NULL;
    int r = topology_from_json(doc, &t, &q->findings);
    topology_unref(t);
    if (r < 0)
        return refuse(&q->why, 422, "draft.not-a-topology", "The document is no topology: " SLICE_FMT,
                      SLICE_ARG(q->findings.n ? q->findings.items[0].text : SLICE("unknown")));
    findings_fini(&q->findings);
    int64_t base = json_get_int(q->in, "base_revision", 0); /* what the text was made from */
    r = draft_save(q, v, &d, doc, base > 0 ? (uint64_t)base : v->now->number, true);
    if (r == 0 && text && text->kind == JSON_STRING && !slice_starts(slice_trim(text->string), SLICE("{")))
        draft_note_text(v, text->string);
    return r;
}

static int draft_delete(struct api_call *q, struct vault *v)
{
    int r = store_draft_drop(v->store);
    if (r < 0)
        return refuse_store(&q->why, v, r);
    json_set_bool(&q->a, q->out, "draft", false);
    return 0;
}

static struct slice text_of(struct api_call *q, const struct json_value *v)
{
    struct buf text = {0};
    if (!v || v->kind == JSON_STRING)
        return v ? v->string : SLICE("");
    json_write(v, false, &text);
    struct slice s = arena_copy(&q->a, buf_slice(&text));
    buf_fini(&text);
    return s;
}

static int edit_set(struct api_call *q, struct json_value *doc, struct slice path)
{
    return topology_edit_set(&q->a, doc, path, text_of(q, json_get(q->in, "value")), &q->findings);
}

/* "assignments": ["k=v", …] or {"k": "v", …} */
static int edit_add(struct api_call *q, struct json_value *doc, struct slice path)
{
    const struct json_value *in = json_get(q->in, "assignments");
    size_t n = json_count(in);
    struct slice *list = ARENA_ARRAY(&q->a, struct slice, n ? n : 1);
    for (size_t i = 0; i < n; i++)
        if (in->kind == JSON_ARRAY)
            list[i] = text_of(q, json_at(in, i));
        else
            list[i] = arena_printf(&q->a, SLICE_FMT "=" SLICE_FMT, SLICE_ARG(in->object.members[i].name),
                                   SLICE_ARG(text_of(q, in->object.members[i].value)));
    return topology_edit_add(&q->a, doc, path, list, n, &q->findings);
}

static int edit_remove(struct api_call *q, struct json_value *doc, struct slice path)
{
    return topology_edit_remove(&q->a, doc, path, &q->findings);
}

static int draft_edit(struct api_call *q, struct vault *v,
                      int (*edit)(struct api_call *q, struct json_value *doc, struct slice path))
{
    struct draft d;
    if (draft_load(v, &q->a, &d, &q->why) < 0)
        return -EPROTO;
    if (edit(q, d.doc, json_get_string(q->in, "path")) < 0) {
        const struct finding *f = q->findings.n ? &q->findings.items[0] : NULL;
        return refuse(&q->why, 422, f ? f->id : "draft.edit", SLICE_FMT,
                      SLICE_ARG(f ? f->text : SLICE("The change cannot be made.")));
    }
    findings_fini(&q->findings);
    return draft_save(q, v, &d, d.doc, d.base, false);
}

static int draft_set(struct api_call *q, struct vault *v)
{
    return draft_edit(q, v, edit_set);
}

static int draft_add(struct api_call *q, struct vault *v)
{
    return draft_edit(q, v, edit_add);
}

static int draft_remove(struct api_call *q, struct vault *v)
{
    return draft_edit(q, v, edit_remove);
}

static int keep_of(struct api_call *q, enum rebase_keep *ret)
{
    struct slice keep = json_get_string(q->in, "keep");
    *ret = slice_eq(keep, SLICE("mine"))     ? REBASE_MINE
           : slice_eq(keep, SLICE("theirs")) ? REBASE_THEIRS
                                             : REBASE_REFUSE;
    if (keep.n && *ret == REBASE_REFUSE)
        return refuse(&q->why, 400, "draft.keep", "What is kept is mine or theirs.");
    return 0;
}

/* The draft on top of what was published since it was begun. */
static int draft_rebase(struct api_call *q, struct vault *v)
{
    struct draft d;
    struct revision *rev = NULL;
    struct json_value *base = NULL, *theirs = NULL, *doc = NULL;
    struct findings conflicts = {0};
    enum rebase_keep keep;
    size_t n = 0;
    if (keep_of(q, &keep) < 0 || draft_load(v, &q->a, &d, &q->why) < 0)
        return -EPROTO;
    if (d.version == 0)
        return refuse(&q->why, 409, "draft.none", "There is no draft: nothing is to be carried over.");
    put_draft_state(q, q->out, &d);
    if (d.base == v->now->number)
        return 0;
    int r = vault_revision(v, d.base, &q->a, &rev, &base, &q->why);
    revision_free(rev);
    rev = NULL;
    if (r == 0)
        r = vault_revision(v, 0, &q->a, &rev, &theirs, &q->why);
    revision_free(rev);
    if (r < 0)
        return -EPROTO;
    r = topology_rebase(&q->a, base, d.doc, theirs, keep, &doc, &n, &conflicts);
    if (r == REBASE_CONFLICTS) {
        q->findings = conflicts;
        return refuse(&q->why, 409, "draft.conflicts",
                      "%zu thing(s) were changed in the draft and in what was published since: nothing was "
                      "carried over.",
                      conflicts.n);
    }
    findings_fini(&conflicts);
    json_set_int(&q->a, q->out, "carried", (int64_t)n);
    return draft_save(q, v, &d, doc, v->now->number, false);
}

/* --- checks and differences --- */
static void put_counts(struct api_call *q)
{
    json_set_int(&q->a, q->out, "errors", (int64_t)q->findings.errors);
    json_set_int(&q->a, q->out, "warnings", (int64_t)q->findings.warnings);
}

static int check(struct api_call *q, struct vault *v)
{
    struct draft d;
    struct topology *t = NULL;
    if (draft_load(v, &q->a, &d, &q->why) < 0)
        return -EPROTO;
    vault_check(v, d.doc, &t, &q->findings);
    topology_unref(t);
    forget_lines(&q->findings);
    put_draft_state(q, q->out, &d);
    put_counts(q);
    return 0;
}

/* A text that is not the draft (yet): {"text"}. A text that cannot be read is a finding too. */
static int check_text(struct api_call *q, struct vault *v)
{
    struct slice text = json_get_string(q->in, "text");
    struct json_value *doc = NULL;
    struct topology *t = NULL;
    if (document_parse(text, &q->a, &doc, &q->why) < 0) {
        topology_parse(text, &t, &q->findings);
        topology_unref(t);
        if (!q->findings.n)
            return -EPROTO;
        q->why = (struct refusal){0};
    } else if (vault_check(v, doc, &t, &q->findings) == 0) {
        json_set_bool(&q->a, q->out, "topology", true);
        topology_unref(t);
    }
    if (doc)
        findings_locate(&q->findings, doc);
    put_counts(q);
    return 0;
}

/* One side of a difference: a revision, or the draft when none is named. */
static int diff_side(struct api_call *q, struct vault *v, struct slice name, uint64_t otherwise,
                     struct json_value **ret)
{
    uint64_t number;
    struct revision *rev = NULL;
    struct draft d = {0};
    int r;
    if (api_number(q, name, otherwise, &number) < 0)
        return -EPROTO;
    if (number > 0)
        r = vault_revision(v, number, &q->a, &rev, ret, &q->why);
    else {
        r = draft_load(v, &q->a, &d, &q->why);
        *ret = d.doc;
    }
    revision_free(rev);
    return r;
}

static int diff(struct api_call *q, struct vault *v)
{
    static const char *const kinds[] = {
        [TOPOLOGY_ADDED] = "added", [TOPOLOGY_REMOVED] = "removed", [TOPOLOGY_CHANGED] = "changed"};
    struct json_value *before, *after, *out = json_array(&q->a);
    struct topology_change *changes;
    struct buf text = {0};
    size_t n;
    if (diff_side(q, v, q->query[QUERY_FROM], v->now->number, &before) < 0 ||
        diff_side(q, v, q->query[QUERY_TO], 0, &after) < 0)
        return -EPROTO;
    topology_diff(before, after, &q->a, &changes, &n);
    if (slice_eq(q->query[QUERY_FORMAT], SLICE("patch"))) {
        json_set(&q->a, q->out, "patch", topology_patch(before, changes, n, &q->a));
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct json_value *o = json_object(&q->a);
        json_set_string(&q->a, o, "kind", slice_str(kinds[changes[i].kind]));
        json_set_string(&q->a, o, "path", changes[i].path);
        if (changes[i].before)
            json_set(&q->a, o, "before", (struct json_value *)(uintptr_t)changes[i].before);
        if (changes[i].after)
            json_set(&q->a, o, "after", (struct json_value *)(uintptr_t)changes[i].after);
        json_push(&q->a, out, o);
    }
    json_set(&q->a, q->out, "changes", out);
    topology_diff_write(changes, n, &text);
    json_set_string(&q->a, q->out, "text", buf_slice(&text));
    buf_fini(&text);
    return 0;
}

/* --- publishing --- */
static int publish_document(struct api_call *q, struct vault *v, struct publication *p)
{
    p->author = author_of(q);
    p->accept_warnings = json_get_bool(q->in, "accept_warnings", false);
    if (vault_publish(v, p, &q->findings, &q->why) < 0)
        return -EPROTO;
    json_set_int(&q->a, q->out, "number", (int64_t)v->now->number);
    json_set_string(&q->a, q->out, "hash", slice_str(v->now->hash));
    return 0;
}

/* The draft; or the document that the body brings, which leaves the draft alone. */
static int publish(struct api_call *q, struct vault *v)
{
    struct draft d;
    struct publication p = {.comment = json_get_string(q->in, "comment"), .doc = json_get(q->in, "document")};
    if (p.doc)
        return publish_document(q, v, &p);
    if (draft_load(v, &q->a, &d, &q->why) < 0)
        return -EPROTO;
    if (d.version != expected_version(q, &d))
        return changed_meanwhile(q, v, &d);
    if (d.version == 0)
        return refuse(&q->why, 409, "publish.nothing", "There is no draft: nothing was changed.");
    if (d.base != v->now->number)
        return refuse(&q->why, 409, "draft.stale",
                      "The draft began at revision %llu, and %llu was published since: it would undo that. "
                      "entente topology rebase carries it over, entente topology discard drops it.",
                      (unsigned long long)d.base, (unsigned long long)v->now->number);
    p.doc = d.doc;
    p.drop_draft = true;
    return publish_document(q, v, &p);
}

static int rollback(struct api_call *q, struct vault *v)
{
    int64_t number = json_get_int(q->in, "number", 0);
    struct revision *rev = NULL;
    struct json_value *doc;
    struct publication p = {.comment = json_get_string(q->in, "comment")};
    if (number < 1)
        return refuse(&q->why, 400, "api.number", "Say the number of the revision to go back to.");
    if (vault_revision(v, (uint64_t)number, &q->a, &rev, &doc, &q->why) < 0)
        return -EPROTO;
    revision_free(rev);
    p.doc = doc;
    if (!p.comment.n)
        p.comment = arena_printf(&q->a, "back to revision %lld", (long long)number);
    return publish_document(q, v, &p);
}

const struct api_route api_topology_routes[] = {
    {"GET",    "/v1/draft",        draft_show,    NULL, "the draft, or the newest revision: ?path= ?format=yaml|json" },
    {"PUT",    "/v1/draft",        draft_put,     NULL, "replace it: {text, version, author} or the document"         },
    {"DELETE", "/v1/draft",        draft_delete,  NULL, "drop it"                                                     },
    {"POST",   "/v1/draft/set",    draft_set,     NULL, "{path, value, version, author}"                              },
    {"POST",   "/v1/draft/add",    draft_add,     NULL, "{path, assignments: [\"k=v\"], version, author}"             },
    {"POST",   "/v1/draft/remove", draft_remove,  NULL, "{path, version, author}"                                     },
    {"POST",   "/v1/draft/rebase", draft_rebase,  NULL,
     "carry it over to the newest revision: {keep: mine|theirs, version, author}"                                     },
    {"GET",    "/v1/topology",     topology_show, NULL, "a revision: ?revision=N ?path= ?format=yaml|json"            },
    {"GET",    "/v1/check",        check,         NULL, "what publishing the draft would say"                         },
    {"POST",   "/v1/check",        check_text,    NULL, "{text}: what the checks say of a document, by line"          },
    {"GET",    "/v1/diff",         diff,          NULL, "?from=N ?to=N; without: the newest, the draft; ?format=patch"},
    {"GET",    "/v1/history",      history,       NULL, "all revisions"                                               },
    {"POST",   "/v1/publish",      publish,       NULL, "{comment, author, accept_warnings, version | document}"      },
    {"POST",   "/v1/rollback",     rollback,      NULL, "{number, comment, author, accept_warnings}"                  },
};
const size_t api_n_topology_routes = sizeof(api_topology_routes) / sizeof(api_topology_routes[0]);
