#include "service/central/priv.h"

#include "ground/log/log.h"

#include <errno.h>

int document_parse(struct slice text, struct arena *a, struct json_value **ret, struct refusal *why)
{
    struct json_error error = {0};
    bool json = slice_starts(slice_trim(text), SLICE("{"));
    int r = json ? json_parse(text, a, ret, &error) : yaml_parse(text, a, ret, &error);
    if (r < 0)
        return refuse(why, 422, "draft.syntax", "Line %u, column %u: %s", error.line, error.column,
                      error.text);
    if ((*ret)->kind != JSON_OBJECT)
        return refuse(why, 422, "draft.syntax", "A topology is a document with named parts.");
    return 0;
}

int draft_load(struct vault *v, struct arena *a, struct draft *ret, struct refusal *why)
{
    struct buf text = {0};
    struct revision *rev = NULL;
    struct draft d = {0};
    struct json_error error;
    int r = store_draft_get(v->store, &text, &d.version, &d.base);
    if (r == 0)
        r = store_draft_who(v->store, a, &d.author, &d.time_ms);
    if (r < 0)
        refuse_store(why, v, r);
    else if (d.version == 0) {
        r = vault_revision(v, 0, a, &rev, &d.doc, why);
        d.base = v->now->number;
    } else if (json_parse(buf_slice(&text), a, &d.doc, &error) < 0)
        r = refuse(why, 500, "draft.damaged", "The draft in the store is damaged.");
    revision_free(rev);
    buf_fini(&text);
    if (r == 0)
        *ret = d;
    return r;
}

/* What somebody typed, beside what it means: revisions and drafts hold no comments. */
#define TYPED_KIND "draft"
#define TYPED_NAME SLICE("text")

void draft_note_text(struct vault *v, struct slice text)
{
    int r = store_blob_put(v->store, TYPED_KIND, TYPED_NAME, text);
    if (r < 0)
        log_warn("central.comments", "the comments of a draft cannot be stored: %s", strerror(-r));
}

bool draft_text(struct vault *v, const struct json_value *doc, struct arena *a, struct slice *ret)
{
    struct buf text = {0};
    struct json_value *typed = NULL;
    struct topology_change *changes;
    struct refusal why = {0};
    size_t n = 1;
    if (store_blob_get(v->store, TYPED_KIND, TYPED_NAME, &text) == 0 &&
        document_parse(buf_slice(&text), a, &typed, &why) == 0)
        topology_diff(typed, doc, a, &changes, &n);
    if (n == 0)
        *ret = arena_copy(a, buf_slice(&text));
    buf_fini(&text);
    return n == 0;
}

int draft_store(struct vault *v, const struct json_value *doc, uint64_t expected, uint64_t base,
                struct slice author, uint64_t *ret_version, struct refusal *why)
{
    struct buf text = {0};
    json_write(doc, false, &text);
    int r = store_draft_put(v->store, buf_slice(&text), expected, base, author, ret_version);
    buf_fini(&text);
    if (r == -ESTALE)
        return refuse(why, 409, "draft.changed",
                      "Somebody changed the draft meanwhile: look at it, then change it again.");
    return r < 0 ? refuse_store(why, v, r) : 0;
}
