#include "wire/json/json.h"

#include "ground/base/text.h"
#include "wire/json/priv.h"

/* Keys that are longer than libyaml's limit for "key: value" need the explicit form. */
enum { YAML_MAX_SIMPLE_KEY = 1000, YAML_INDENT = 2 };

/* May stand as it is in a document (YAML 1.2.2, c-printable without breaks and the byte order mark). */
static bool printable(int32_t c)
{
    return (c >= 0x20 && c <= 0x7e) ||
           (c >= 0xa0 && c <= 0xfffd && c != 0x2028 && c != 0x2029 && c != 0xfeff) || c >= 0x10000;
}

static bool all_printable(struct slice s)
{
    for (size_t i = 0; i < s.n;)
        if (!printable(json_utf8_next(s, &i)))
            return false;
    return true;
}

static bool alnum(char c)
{
    return (c >= '0' && c <= '9') || (text_lower(c) >= 'a' && text_lower(c) <= 'z');
}

/* Stricter than the grammar: what is not obviously harmless gets quotes. */
static bool plain_safe(struct slice s)
{
    if (!s.n || !yaml_plain_is_string(s) || !all_printable(s))
        return false;
    if (!alnum(s.p[0]) && s.p[0] != '_' && s.p[0] != '/' && (unsigned char)s.p[0] < 0x80)
        return false;
    for (size_t i = 1; i < s.n; i++) {
        char c = s.p[i];
        bool last = i + 1 == s.n;
        if ((c == ' ' || c == ':') && (last || s.p[i + 1] == ' '))
            return false;
        if (!alnum(c) && (unsigned char)c < 0x80 && !strchr(" _./@+-:=;?&%,()~*$!'", c))
            return false;
    }
    return true;
}

static void write_quoted(struct slice s, struct buf *out)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.n;) {
        size_t start = i;
        int32_t c = json_utf8_next(s, &i);
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", (char)c);
        else if (c == '\n')
            buf_append(out, SLICE("\\n"));
        else if (c == '\t')
            buf_append(out, SLICE("\\t"));
        else if (c < 0)
            buf_append(out, SLICE("\xef\xbf\xbd"));
        else if (!printable(c))
            buf_printf(out, "\\u%04x", (unsigned)c);
        else
            buf_append_mem(out, s.p + start, i - start);
    }
    buf_append_char(out, '"');
}

static void write_scalar_string(struct slice s, struct buf *out)
{
    if (plain_safe(s))
        buf_append(out, s);
    else
        write_quoted(s, out);
}

/* Text of several lines that a literal block gives back unchanged. */
static bool block_safe(struct slice s)
{
    if (slice_find(s, '\n') >= s.n - 1 || s.p[0] == ' ' || s.p[0] == '\n' || slice_ends(s, SLICE("\n\n")))
        return false;
    struct slice line;
    for (struct slice rest = s; rest.n; rest = slice_from(rest, line.n + 1)) {
        line = slice_head(rest, slice_find(rest, '\n'));
        if (!all_printable(line) || slice_ends(line, SLICE(" ")))
            return false;
    }
    return true;
}

static void write_indent(int indent, struct buf *out)
{
    buf_printf(out, "%*s", indent * YAML_INDENT, "");
}

static void write_block(struct slice s, int indent, struct buf *out)
{
    buf_append(out, slice_ends(s, SLICE("\n")) ? SLICE("|\n") : SLICE("|-\n"));
    struct slice line;
    for (struct slice rest = s; rest.n; rest = slice_from(rest, line.n + 1)) {
        line = slice_head(rest, slice_find(rest, '\n'));
        if (line.n)
            write_indent(indent, out);
        buf_append(out, line);
        buf_append_char(out, '\n');
    }
}

static void write_items(const struct json_value *v, int indent, bool inlined, struct buf *out);

static bool has_items(const struct json_value *v)
{
    return json_count(v) > 0;
}

/* Behind "key:", "-" or at the top: what fits stands on the same line. */
static void write_scalar(const struct json_value *v, int indent, struct buf *out)
{
    if (v->kind == JSON_STRING && block_safe(v->string)) {
        write_block(v->string, indent, out);
        return;
    }
    if (v->kind == JSON_STRING)
        write_scalar_string(v->string, out);
    else
        json_write(v, false, out); /* numbers, null, true, false, [] and {} are the same in YAML */
    buf_append_char(out, '\n');
}

static void write_key(struct slice name, int indent, struct buf *out)
{
    struct buf key = {0};
    write_scalar_string(name, &key);
    if (buf_len(&key) > YAML_MAX_SIMPLE_KEY) {
        buf_append(out, SLICE("? "));
        buf_append_char(&key, '\n');
        write_indent(indent, &key);
    }
    buf_append(out, buf_slice(&key));
    buf_append_char(out, ':');
    buf_fini(&key);
}

static void write_member(const struct json_member *m, int indent, struct buf *out)
{
    write_key(m->name, indent, out);
    if (has_items(m->value)) {
        buf_append_char(out, '\n');
        write_items(m->value, indent + 1, false, out);
    } else {
        buf_append_char(out, ' ');
        write_scalar(m->value, indent + 1, out);
    }
}

static void write_item(const struct json_value *v, int indent, struct buf *out)
{
    buf_append(out, SLICE("- "));
    if (has_items(v))
        write_items(v, indent + 1, true, out);
    else
        write_scalar(v, indent + 1, out);
}

/* The members of an object or the items of an array, each on its line. inlined: the first one stands behind
 * the "- " of the array around it. */
static void write_items(const struct json_value *v, int indent, bool inlined, struct buf *out)
{
    for (size_t i = 0; i < json_count(v); i++) {
        if (i || !inlined)
            write_indent(indent, out);
        if (v->kind == JSON_OBJECT)
            write_member(&v->object.members[i], indent, out);
        else
            write_item(v->array.items[i], indent, out);
    }
}

void yaml_write(const struct json_value *v, struct buf *out)
{
    if (has_items(v))
        write_items(v, 0, false, out);
    else
        write_scalar(v, 1, out);
}
