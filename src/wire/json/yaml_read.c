#include "wire/json/json.h"

#include "ground/base/mem.h"
#include "wire/json/priv.h"

#include <stdlib.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct arena *a;
    struct json_error *error;
    size_t nodes;
    unsigned depth;
};

static int refuse(struct reader *r, yaml_mark_t at, const char *why)
{
    return json_fail(r->error, at.line + 1, at.column + 1, "%s", why);
}

static int next(struct reader *r, yaml_event_t *ret)
{
    if (yaml_parser_parse(&r->parser, ret))
        return 0;
    yaml_parser_t *p = &r->parser;
    const char *why = p->problem ? p->problem : "malformed";
    if (p->error == YAML_READER_ERROR) /* comes with an offset instead of a place */
        return json_fail(r->error, p->mark.line + 1, 0, "%s (byte %zu)", why, p->problem_offset);
    return refuse(r, p->problem_mark, why);
}

static int node(struct reader *r, const yaml_event_t *ev, struct json_value **ret);

static struct slice scalar_text(const yaml_event_t *ev)
{
    return slice_mem(ev->data.scalar.value, ev->data.scalar.length);
}

static bool scalar_is_plain(const yaml_event_t *ev)
{
    return ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static int scalar(struct reader *r, const yaml_event_t *ev, struct json_value **ret)
{
    struct slice text = scalar_text(ev);
    if (ev->data.scalar.anchor)
        return refuse(r, ev->start_mark, "anchors are not supported");
    if (ev->data.scalar.tag)
        return refuse(r, ev->start_mark, "tags are not supported");
    if (text.n && memchr(text.p, 0, text.n))
        return refuse(r, ev->start_mark, "a string with U+0000");
    struct json_value *v = scalar_is_plain(ev) ? yaml_plain_value(r->a, text) : json_string(r->a, text);
    if (!v)
        return refuse(r, ev->start_mark, "a number that JSON cannot hold");
    *ret = v;
    return 0;
}

static int sequence(struct reader *r, const yaml_event_t *start, struct json_value **ret)
{
    if (start->data.sequence_start.anchor)
        return refuse(r, start->start_mark, "anchors are not supported");
    if (start->data.sequence_start.tag)
        return refuse(r, start->start_mark, "tags are not supported");
    *ret = json_array(r->a);
    for (;;) {
        yaml_event_t ev;
        int e = next(r, &ev);
        if (e < 0)
            return e;
        bool end = ev.type == YAML_SEQUENCE_END_EVENT;
        struct json_value *item = NULL;
        if (!end)
            e = node(r, &ev, &item);
        yaml_event_delete(&ev);
        if (e < 0 || end)
            return e;
        json_push(r->a, *ret, item);
    }
}

static int key(struct reader *r, const yaml_event_t *ev, struct slice *ret)
{
    if (ev->type != YAML_SCALAR_EVENT)
        return refuse(r, ev->start_mark, "a key must be a string");
    struct slice text = scalar_text(ev);
    if (scalar_is_plain(ev) && slice_eq(text, SLICE("<<")))
        return refuse(r, ev->start_mark, "merge keys are not supported");
    if (scalar_is_plain(ev) && !yaml_plain_is_string(text))
        return refuse(r, ev->start_mark, "a key must be a string: put it in quotes");
    struct json_value *v = NULL;
    int e = scalar(r, ev, &v);
    if (e == 0 && v)
        *ret = v->string;
    return e;
}

static int member(struct reader *r, const yaml_event_t *ev, struct json_value *object)
{
    struct slice name;
    int e = key(r, ev, &name);
    if (e < 0)
        return e;
    yaml_event_t value_ev;
    e = next(r, &value_ev);
    if (e < 0)
        return e;
    struct json_value *value = NULL;
    e = node(r, &value_ev, &value);
    yaml_event_delete(&value_ev);
    if (e == 0)
        json_append_member(r->a, object, name, value);
    return e;
}

static int compare_members(const void *a, const void *b)
{
    const struct json_member *x = *(const struct json_member *const *)a;
    const struct json_member *y = *(const struct json_member *const *)b;
    int c = slice_cmp(x->name, y->name);
    return c ? c : (x > y) - (x < y);
}

/* A second member of the same name, or NULL. Sorted, since the document may be large. */
static const struct json_member *find_duplicate(const struct json_value *object)
{
    size_t n = object->object.n;
    if (n < 2)
        return NULL;
    const struct json_member **sorted = mem_alloc(n * sizeof(struct json_member *)), *found = NULL;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &object->object.members[i];
    qsort(sorted, n, sizeof(struct json_member *), compare_members);
    for (size_t i = 1; i < n && !found; i++)
        if (slice_eq(sorted[i - 1]->name, sorted[i]->name))
            found = sorted[i];
    mem_free(sorted);
    return found;
}

static int mapping(struct reader *r, const yaml_event_t *start, struct json_value **ret)
{
    if (start->data.mapping_start.anchor)
        return refuse(r, start->start_mark, "anchors are not supported");
    if (start->data.mapping_start.tag)
        return refuse(r, start->start_mark, "tags are not supported");
    *ret = json_object(r->a);
    for (;;) {
        yaml_event_t ev;
        int e = next(r, &ev);
        if (e < 0)
            return e;
        bool end = ev.type == YAML_MAPPING_END_EVENT;
        if (!end)
            e = member(r, &ev, *ret);
        yaml_event_delete(&ev);
        if (e < 0)
            return e;
        if (end)
            break;
    }
    const struct json_member *twice = find_duplicate(*ret);
    if (twice)
        return json_fail(r->error, twice->value->line, 0, "duplicate key \"" SLICE_FMT "\"",
                         SLICE_ARG(slice_head(twice->name, 100)));
    return 0;
}

/* Makes a value of the event (and those that follow it). */
static int node(struct reader *r, const yaml_event_t *ev, struct json_value **ret)
{
    if (++r->nodes > JSON_MAX_NODES)
        return refuse(r, ev->start_mark, "too many values");
    if (r->depth == JSON_MAX_DEPTH && ev->type != YAML_SCALAR_EVENT)
        return refuse(r, ev->start_mark, "nested too deeply");
    struct json_value *v = NULL;
    int e;
    r->depth++;
    if (ev->type == YAML_SCALAR_EVENT)
        e = scalar(r, ev, &v);
    else if (ev->type == YAML_SEQUENCE_START_EVENT)
        e = sequence(r, ev, &v);
    else if (ev->type == YAML_MAPPING_START_EVENT)
        e = mapping(r, ev, &v);
    else
        e = refuse(r, ev->start_mark, "aliases are not supported");
    r->depth--;
    if (e == 0 && v) {
        v->line = (unsigned)ev->start_mark.line + 1;
        *ret = v;
    }
    return e;
}

/* Reads on to the next event and says whether it is of this type. */
static int expect(struct reader *r, yaml_event_type_t type, const char *otherwise)
{
    yaml_event_t ev;
    int e = next(r, &ev);
    if (e < 0)
        return e;
    if (ev.type != type)
        e = refuse(r, ev.start_mark, otherwise);
    else if (type == YAML_DOCUMENT_START_EVENT &&
             ev.data.document_start.tag_directives.start != ev.data.document_start.tag_directives.end)
        e = refuse(r, ev.start_mark, "tags are not supported");
    yaml_event_delete(&ev);
    return e;
}

static int document(struct reader *r, struct json_value **ret)
{
    int e = expect(r, YAML_STREAM_START_EVENT, "malformed");
    if (e == 0)
        e = expect(r, YAML_DOCUMENT_START_EVENT, "empty");
    if (e < 0)
        return e;
    yaml_event_t ev;
    e = next(r, &ev);
    if (e < 0)
        return e;
    struct json_value *v = NULL;
    e = node(r, &ev, &v);
    yaml_event_delete(&ev);
    if (e == 0)
        e = expect(r, YAML_DOCUMENT_END_EVENT, "malformed");
    if (e == 0)
        e = expect(r, YAML_STREAM_END_EVENT, "more than one document");
    if (e == 0)
        *ret = v;
    return e;
}

int yaml_parse(struct slice text, struct arena *a, struct json_value **ret, struct json_error *error)
{
    if (text.n > JSON_MAX_TEXT)
        return json_fail(error, 0, 0, "longer than %d bytes", JSON_MAX_TEXT);
    struct reader r = {.a = a, .error = error};
    if (!yaml_parser_initialize(&r.parser))
        abort(); /* out of memory: see mem.h */
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    int e = document(&r, ret);
    yaml_parser_delete(&r.parser);
    return e;
}
