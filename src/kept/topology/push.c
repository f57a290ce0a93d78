#include "kept/topology/push.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"

#include <errno.h>

enum { PORT_MAX = 65535 };
static const int64_t COUNT_MAX = (1LL << 53) - 1;

/* --- members as tables: what is written is what is read --- */
enum member_type { MEMBER_STRING, MEMBER_BINARY, MEMBER_COUNT, MEMBER_BOOL, MEMBER_TIME, MEMBER_LIST };
struct member {
    const char *name;
    enum member_type type;
    size_t offset;
    bool required;
};

#define AT(object, m, type) ((type *)((char *)(object) + (m)->offset))
#define READ_AT(object, m, type) (*(const type *)((const char *)(object) + (m)->offset))

static void write_text(struct arena *a, struct json_value *to, const struct member *m, struct slice text)
{
    struct buf b = {0};
    if (!text.n)
        return;
    if (m->type == MEMBER_BINARY) {
        text_base64(&b, text.p, text.n);
        text = buf_slice(&b);
    }
    json_set_string(a, to, m->name, text);
    buf_fini(&b);
}

static void write_list(struct arena *a, struct json_value *to, const char *name, const struct push_list *list)
{
    struct json_value *items = json_array(a);
    for (size_t i = 0; i < list->n; i++)
        json_push(a, items, json_string(a, list->items[i]));
    if (list->n)
        json_set(a, to, name, items);
}

static struct json_value *write_members(struct arena *a, const struct member *members, size_t n,
                                        const void *object)
{
    struct json_value *to = json_object(a);
    json_set_int(a, to, "format", PUSH_FORMAT);
    for (size_t i = 0; i < n; i++) {
        const struct member *m = &members[i];
        switch (m->type) {
        case MEMBER_STRING:
        case MEMBER_BINARY:
            write_text(a, to, m, READ_AT(object, m, struct slice));
            break;
        case MEMBER_COUNT:
            json_set_int(a, to, m->name, (int64_t)READ_AT(object, m, uint64_t));
            break;
        case MEMBER_TIME:
            json_set_int(a, to, m->name, READ_AT(object, m, int64_t));
            break;
        case MEMBER_BOOL:
            json_set_bool(a, to, m->name, READ_AT(object, m, bool));
            break;
        case MEMBER_LIST:
            write_list(a, to, m->name, &READ_AT(object, m, struct push_list));
            break;
        }
    }
    return to;
}

static int read_binary(struct slice text, struct arena *a, struct slice *ret)
{
    char *bytes = arena_alloc(a, text.n + 1);
    ssize_t n = text_unbase64(text, bytes, text.n + 1);
    if (n < 0)
        return -EBADMSG;
    *ret = slice_mem(bytes, (size_t)n);
    return 0;
}

static int read_list(const struct json_value *v, struct arena *a, struct push_list *ret)
{
    size_t n = json_count(v);
    if (n > PUSH_MAX_LIST)
        return -EBADMSG;
    struct slice *items = ARENA_ARRAY(a, struct slice, n ? n : 1);
    for (size_t i = 0; i < n; i++) {
        if (json_at(v, i)->kind != JSON_STRING)
            return -EBADMSG;
        items[i] = json_at(v, i)->string;
    }
    *ret = (struct push_list){items, n};
    return 0;
}

static bool kind_fits(const struct member *m, const struct json_value *v)
{
    switch (m->type) {
    case MEMBER_STRING:
    case MEMBER_BINARY:
        return v->kind == JSON_STRING;
    case MEMBER_COUNT:
    case MEMBER_TIME:
        return v->kind == JSON_INT && v->integer >= 0 && v->integer <= COUNT_MAX;
    case MEMBER_BOOL:
        return v->kind == JSON_BOOL;
    case MEMBER_LIST:
        return v->kind == JSON_ARRAY;
    }
    return false;
}

static int read_member(const struct member *m, const struct json_value *v, struct arena *a, void *object)
{
    if (!v)
        return m->required ? -EBADMSG : 0;
    if (!kind_fits(m, v) || (m->required && v->kind == JSON_STRING && !v->string.n))
        return -EBADMSG;
    switch (m->type) {
    case MEMBER_STRING:
        *AT(object, m, struct slice) = v->string;
        return 0;
    case MEMBER_BINARY:
        return read_binary(v->string, a, AT(object, m, struct slice));
    case MEMBER_COUNT:
        *AT(object, m, uint64_t) = (uint64_t)v->integer;
        return 0;
    case MEMBER_TIME:
        *AT(object, m, int64_t) = v->integer;
        return 0;
    case MEMBER_BOOL:
        *AT(object, m, bool) = v->boolean;
        return 0;
    case MEMBER_LIST:
        return read_list(v, a, AT(object, m, struct push_list));
    }
    return -EBADMSG;
}

static int read_members(struct slice text, size_t max, struct arena *a, const struct member *members,
                        size_t n, void *object, struct json_value **ret_doc)
{
    struct json_value *doc;
    struct json_error error;
    if (text.n > max || json_parse(text, a, &doc, &error) < 0 || doc->kind != JSON_OBJECT ||
        json_get_int(doc, "format", 0) != PUSH_FORMAT)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++)
        if (read_member(&members[i], json_get(doc, members[i].name), a, object) < 0)
            return -EBADMSG;
    *ret_doc = doc;
    return 0;
}

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

/* The buffers of trees that held keys are not needed any longer than the call. */
static void write_doc(const struct json_value *doc, struct buf *out)
{
    json_write(doc, false, out);
}

/* --- requests --- */
static const struct member request_members[] = {
    {"revision",        MEMBER_STRING, offsetof(struct push_request, revision),        false},
    {"material",        MEMBER_BINARY, offsetof(struct push_request, material),        false},
    {"material_serial", MEMBER_COUNT,  offsetof(struct push_request, material_serial), false},
    {"certificate",     MEMBER_STRING, offsetof(struct push_request, certificate),     false},
    {"renew",           MEMBER_BOOL,   offsetof(struct push_request, renew),           false},
    {"keys",            MEMBER_LIST,   offsetof(struct push_request, keys),            false},
};

void push_request_write(const struct push_request *q, struct buf *out)
{
    struct arena a = {0};
    write_doc(write_members(&a, request_members, COUNT_OF(request_members), q), out);
    arena_fini(&a);
}

int push_request_parse(struct slice text, struct arena *a, struct push_request *ret)
{
    struct push_request q = {0};
    struct json_value *doc;
    if (read_members(text, PUSH_MAX_TEXT, a, request_members, COUNT_OF(request_members), &q, &doc) < 0)
        return -EBADMSG;
    *ret = q;
    return 0;
}

/* --- answers --- */
static const struct member answer_members[] = {
    {"fqdn",        MEMBER_STRING, offsetof(struct push_answer, fqdn),        true },
    {"revision",    MEMBER_COUNT,  offsetof(struct push_answer, revision),    true },
    {"hash",        MEMBER_STRING, offsetof(struct push_answer, hash),        false},
    {"material",    MEMBER_COUNT,  offsetof(struct push_answer, material),    true },
    {"names_ok",    MEMBER_BOOL,   offsetof(struct push_answer, names_ok),    true },
    {"certificate", MEMBER_STRING, offsetof(struct push_answer, certificate), false},
    {"request",     MEMBER_STRING, offsetof(struct push_answer, request),     false},
    {"time_ms",     MEMBER_TIME,   offsetof(struct push_answer, time_ms),     false},
    {"holds",       MEMBER_LIST,   offsetof(struct push_answer, holds),       false},
    {"lacks",       MEMBER_LIST,   offsetof(struct push_answer, lacks),       false},
};

static void write_error(struct arena *a, struct json_value *doc, struct slice id, struct slice text)
{
    struct json_value *error = json_object(a);
    if (!id.n)
        return;
    json_set_string(a, error, "id", id);
    json_set_string(a, error, "text", text);
    json_set(a, doc, "error", error);
}

void push_answer_write(const struct push_answer *w, struct arena *a, struct buf *out)
{
    struct json_value *doc = write_members(a, answer_members, COUNT_OF(answer_members), w);
    write_error(a, doc, w->error_id, w->error_text);
    if (w->state)
        json_set(a, doc, "state", (struct json_value *)(uintptr_t)w->state);
    write_doc(doc, out);
}

int push_answer_parse(struct slice text, struct arena *a, struct push_answer *ret)
{
    struct push_answer w = {0};
    struct json_value *doc;
    if (read_members(text, PUSH_MAX_ANSWER, a, answer_members, COUNT_OF(answer_members), &w, &doc) < 0)
        return -EBADMSG;
    w.error_id = json_get_string(json_get(doc, "error"), "id");
    w.error_text = json_get_string(json_get(doc, "error"), "text");
    w.state = json_get(doc, "state");
    *ret = w;
    return 0;
}

/* --- keys --- */
static const struct member key_request_members[] = {
    {"pool",        MEMBER_STRING, offsetof(struct key_request, pool),        false},
    {"kind",        MEMBER_STRING, offsetof(struct key_request, kind),        false},
    {"names",       MEMBER_LIST,   offsetof(struct key_request, names),       false},
    {"id",          MEMBER_STRING, offsetof(struct key_request, id),          false},
    {"certificate", MEMBER_STRING, offsetof(struct key_request, certificate), false},
    {"passphrase",  MEMBER_BINARY, offsetof(struct key_request, passphrase),  false},
    {"old_windows", MEMBER_BOOL,   offsetof(struct key_request, old_windows), false},
};
static const struct member key_answer_members[] = {
    {"request", MEMBER_STRING, offsetof(struct key_answer, request), false},
    {"sealed",  MEMBER_BINARY, offsetof(struct key_answer, sealed),  false},
    {"p12",     MEMBER_BINARY, offsetof(struct key_answer, p12),     false},
};

void key_request_write(const struct key_request *q, struct buf *out)
{
    struct arena a = {0};
    write_doc(write_members(&a, key_request_members, COUNT_OF(key_request_members), q), out);
    arena_fini(&a);
}

int key_request_parse(struct slice text, struct arena *a, struct key_request *ret)
{
    struct key_request q = {0};
    struct json_value *doc;
    if (read_members(text, PUSH_MAX_ANSWER, a, key_request_members, COUNT_OF(key_request_members), &q, &doc) <
        0)
        return -EBADMSG;
    *ret = q;
    return 0;
}

void key_answer_write(const struct key_answer *w, struct buf *out)
{
    struct arena a = {0};
    struct json_value *doc = write_members(&a, key_answer_members, COUNT_OF(key_answer_members), w);
    write_error(&a, doc, w->error_id, w->error_text);
    write_doc(doc, out);
    arena_fini(&a);
}

int key_answer_parse(struct slice text, struct arena *a, struct key_answer *ret)
{
    struct key_answer w = {0};
    struct json_value *doc;
    if (read_members(text, PUSH_MAX_ANSWER, a, key_answer_members, COUNT_OF(key_answer_members), &w, &doc) <
        0)
        return -EBADMSG;
    w.error_id = json_get_string(json_get(doc, "error"), "id");
    w.error_text = json_get_string(json_get(doc, "error"), "text");
    *ret = w;
    return 0;
}

/* --- bundles: the first rows alone are machine.json; one of an older version has no certificate --- */
static const struct member bundle_members[] = {
    {"fqdn",        MEMBER_STRING, offsetof(struct bundle, fqdn),         true },
    {"central",     MEMBER_STRING, offsetof(struct bundle, central_fqdn), true },
    {"address",     MEMBER_STRING, offsetof(struct bundle, address),      true },
    {"port",        MEMBER_TIME,   offsetof(struct bundle, port),         true },
    {"internal_ca", MEMBER_STRING, offsetof(struct bundle, ca_pem),       true },
    {"signer",      MEMBER_STRING, offsetof(struct bundle, signer_pem),   true },
    {"certificate", MEMBER_STRING, offsetof(struct bundle, cert_pem),     false},
    {"key",         MEMBER_STRING, offsetof(struct bundle, key_pem),      true },
    {"revision",    MEMBER_STRING, offsetof(struct bundle, revision),     true },
    {"material",    MEMBER_BINARY, offsetof(struct bundle, material),     true },
};
enum { MACHINE_MEMBERS = 7 };

static void bundle_write_some(const struct bundle *b, size_t n, struct buf *out)
{
    struct arena a = {0};
    write_doc(write_members(&a, bundle_members, n, b), out);
    buf_append_char(out, '\n');
    arena_fini(&a);
}

static int bundle_parse_some(struct slice text, struct arena *a, size_t n, struct bundle *ret)
{
    struct bundle b = {0};
    struct json_value *doc;
    if (read_members(text, PUSH_MAX_TEXT, a, bundle_members, n, &b, &doc) < 0 || !b.fqdn.n || b.port < 1 ||
        b.port > PORT_MAX)
        return -EBADMSG;
    *ret = b;
    return 0;
}

void bundle_write(const struct bundle *b, struct buf *out)
{
    bundle_write_some(b, COUNT_OF(bundle_members), out);
}

int bundle_parse(struct slice text, struct arena *a, struct bundle *ret)
{
    struct bundle b;
    int r = bundle_parse_some(text, a, COUNT_OF(bundle_members), &b);
    if (r == 0 && !b.cert_pem.n)
        return -EBADMSG;
    if (r == 0)
        *ret = b;
    return r;
}

void bundle_machine_write(const struct bundle *b, struct buf *out)
{
    bundle_write_some(b, MACHINE_MEMBERS, out);
}

int bundle_machine_parse(struct slice text, struct arena *a, struct bundle *ret)
{
    return bundle_parse_some(text, a, MACHINE_MEMBERS, ret);
}
