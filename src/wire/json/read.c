#include "wire/json/json.h"

#include "ground/base/mem.h"
#include "wire/json/priv.h"

/* jansson and this module chose some names alike: give jansson's another one while its header is read. */
#define JSON_NULL JANSSON_NULL
#define JSON_REAL JANSSON_REAL
#define JSON_STRING JANSSON_STRING
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_OBJECT JANSSON_OBJECT
#define json_null jansson_null
#define json_real jansson_real
#define json_string jansson_string
#define json_array jansson_array
#define json_object jansson_object
#define json_equal jansson_equal
#include <jansson.h>
#undef JSON_NULL
#undef JSON_REAL
#undef JSON_STRING
#undef JSON_ARRAY
#undef JSON_OBJECT
#undef json_null
#undef json_real
#undef json_string
#undef json_array
#undef json_object
#undef json_equal

/*
 * jansson keeps no lines, and it builds a whole tree before anybody could count. So the text is scanned once
 * before: limits are enforced there, and the line of each value is noted in the order of the document. The
 * scan does not judge the grammar (jansson does); what it notes for a malformed text is not used.
 */
struct scan {
    struct slice text;
    struct json_error *error;
    size_t line, line_start;
    size_t n_values;
    unsigned *lines, n_lines_cap;
    unsigned depth;
    bool in_object[JSON_MAX_DEPTH + 1];
    bool key_next;
};

static int scan_value(struct scan *s, size_t at)
{
    if (s->n_values >= JSON_MAX_NODES)
        return json_fail(s->error, s->line, at - s->line_start + 1, "more than %d values", JSON_MAX_NODES);
    if (s->n_values == s->n_lines_cap) {
        s->n_lines_cap = s->n_lines_cap ? s->n_lines_cap * 2 : 64;
        s->lines = mem_realloc(s->lines, s->n_lines_cap * sizeof(*s->lines));
    }
    s->lines[s->n_values++] = (unsigned)s->line;
    return 0;
}

static int scan_open(struct scan *s, size_t at)
{
    if (s->depth == JSON_MAX_DEPTH)
        return json_fail(s->error, s->line, at - s->line_start + 1, "nested deeper than %d", JSON_MAX_DEPTH);
    bool object = s->text.p[at] == '{';
    s->in_object[++s->depth] = object;
    s->key_next = object;
    return scan_value(s, at);
}

/* The index of the closing quote (or the end). No line feed can stand in a valid string. */
static size_t scan_string_end(struct slice t, size_t i)
{
    for (i++; i < t.n && t.p[i] != '"'; i++)
        if (t.p[i] == '\\')
            i++;
    return i;
}

static size_t scan_word_end(struct slice t, size_t i)
{
    static const struct slice ENDS = SLICE_INIT(" \t\r\n,:[]{}\"");
    while (i + 1 < t.n && slice_find(ENDS, t.p[i + 1]) == SIZE_MAX)
        i++;
    return i;
}

static int scan(struct scan *s)
{
    struct slice t = s->text;
    int r = 0;
    for (size_t i = 0; i < t.n && r == 0; i++) {
        switch (t.p[i]) {
        case '\n':
            s->line++;
            s->line_start = i + 1;
            break;
        case ' ':
        case '\t':
        case '\r':
        case ':':
            break;
        case ',':
            s->key_next = s->in_object[s->depth];
            break;
        case '[':
        case '{':
            r = scan_open(s, i);
            break;
        case ']':
        case '}':
            s->depth -= s->depth > 0;
            break;
        case '"':
            if (!s->key_next)
                r = scan_value(s, i);
            s->key_next = false;
            i = scan_string_end(t, i);
            break;
        default:
            r = scan_value(s, i);
            i = scan_word_end(t, i);
        }
    }
    return r;
}

struct convert {
    struct arena *a;
    const unsigned *lines;
    size_t next, n_lines;
};

static struct json_value *convert(struct convert *c, json_t *j);

static struct json_value *convert_array(struct convert *c, json_t *j)
{
    struct json_value *v = json_array(c->a);
    for (size_t i = 0; i < json_array_size(j); i++)
        json_push(c->a, v, convert(c, json_array_get(j, i)));
    return v;
}

/* jansson gives the members in the order in which they were read. */
static struct json_value *convert_object(struct convert *c, json_t *j)
{
    struct json_value *v = json_object(c->a);
    for (void *it = json_object_iter(j); it; it = json_object_iter_next(j, it)) {
        struct slice name = slice_mem(json_object_iter_key(it), json_object_iter_key_len(it));
        json_append_member(c->a, v, arena_copy(c->a, name), convert(c, json_object_iter_value(it)));
    }
    return v;
}

static struct json_value *convert_any(struct convert *c, json_t *j)
{
    switch (json_typeof(j)) {
    case JANSSON_OBJECT:
        return convert_object(c, j);
    case JANSSON_ARRAY:
        return convert_array(c, j);
    case JANSSON_STRING:
        return json_string(c->a, slice_mem(json_string_value(j), json_string_length(j)));
    case JSON_INTEGER:
        return json_int(c->a, json_integer_value(j));
    case JANSSON_REAL:
        return json_real(c->a, json_real_value(j));
    case JSON_TRUE:
    case JSON_FALSE:
        return json_bool(c->a, json_is_true(j));
    case JANSSON_NULL:
        break;
    }
    return json_null(c->a);
}

static struct json_value *convert(struct convert *c, json_t *j)
{
    unsigned line = c->next < c->n_lines ? c->lines[c->next] : 0;
    c->next++;
    struct json_value *v = convert_any(c, j);
    v->line = line;
    return v;
}

int json_parse(struct slice text, struct arena *a, struct json_value **ret, struct json_error *error)
{
    if (text.n > JSON_MAX_TEXT)
        return json_fail(error, 0, 0, "longer than %d bytes", JSON_MAX_TEXT);
    struct scan s = {.text = text, .error = error, .line = 1};
    int r = scan(&s);
    if (r < 0)
        goto out;
    /* all numbers as doubles: jansson refuses integers of more than 64 bits, JSON does not */
    size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL;
    json_error_t e;
    json_t *j = json_loadb(text.p ? text.p : "", text.n, flags, &e);
    if (!j) {
        r = json_fail(error, e.line > 0 ? (size_t)e.line : 0, e.column > 0 ? (size_t)e.column : 0, "%s",
                      e.text);
        goto out;
    }
    struct convert c = {.a = a, .lines = s.lines, .n_lines = s.n_values};
    *ret = convert(&c, j);
    json_decref(j);
out:
    mem_free(s.lines);
    return r;
}
