#include "kept/topology/priv.h"

#include "ground/base/text.h"
#include "ground/net/addr.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

enum { MAX_HOST = 253, MAX_LABEL = 63, MAX_NAME = 64, MAX_TEXT = 256 };

void value_fault_set(struct value_fault *fault, const char *id, const char *wanted)
{
    fault->id = id;
    snprintf(fault->wanted, sizeof(fault->wanted), "%s", wanted);
}

static int refuse(struct value_fault *fault, const char *id, const char *wanted)
{
    value_fault_set(fault, id, wanted);
    return -EINVAL;
}

static struct slice lower(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        p[i] = text_lower(s.p[i]);
    return (struct slice){p, s.n};
}

static bool is_alnum(char c)
{
    c = text_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_label(struct slice s)
{
    if (s.n == 0 || s.n > MAX_LABEL || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

/* RFC 1123 section 2.1; the last label is not all digits, so that no address passes for a name. */
static bool is_host(struct slice s)
{
    struct slice label, rest = s;
    if (s.n > MAX_HOST)
        return false;
    while (slice_cut(rest, '.', &label, &rest))
        if (!is_label(label))
            return false;
    uint64_t number;
    return is_label(rest) && slice_u64(rest, UINT64_MAX, &number) == -EINVAL;
}

static int parse_host(struct slice text, struct arena *a, struct slice *ret, struct value_fault *fault)
{
    struct net_addr addr;
    if (net_addr_parse_port(text, 0, &addr) == 0)
        return refuse(fault, "address-for-name", "a name, not an address");
    if (memchr(text.p, '*', text.n))
        return refuse(fault, "wildcard-name", "one name, not a pattern");
    if (memchr(text.p, '_', text.n))
        return refuse(fault, "underscore-name", "a host name, which has no underscore");
    if (!is_host(text))
        return refuse(fault, "malformed-value", "a host name: letters, digits, hyphens and dots");
    *ret = lower(a, text);
    return 0;
}

/* RFC 3261 section 25.1: what a user part may hold unescaped, but for '/', which divides paths, and ','. */
static bool is_user(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !(s.p[i] && strchr("-_.!~*'()&=+$;?", s.p[i])))
            return false;
    return s.n > 0 && s.n <= MAX_NAME;
}

static int parse_user(struct slice text, struct arena *a, struct slice *ret, struct value_fault *fault)
{
    struct slice user, domain;
    if (!slice_cut(text, '@', &user, &domain) || !is_user(user) || !is_host(domain))
        return refuse(fault, "malformed-value", "a user's address: user@domain");
    *ret = lower(a, text);
    return 0;
}

static int parse_name(const struct property *p, struct slice text, struct arena *a, struct slice *ret,
                      struct value_fault *fault)
{
    bool good = text.n > 0 && text.n <= MAX_NAME;
    for (size_t i = 0; good && i < text.n; i++)
        good = is_alnum(text.p[i]) || (text.p[i] && strchr("._-", text.p[i]));
    if (!good)
        return refuse(fault, "malformed-value",
                      "a short name: letters, digits, dots, underscores and hyphens");
    *ret = p->identity || p->refers ? lower(a, text) : text;
    return 0;
}

static int parse_line(struct slice text, struct slice *ret, struct value_fault *fault)
{
    bool good = text.n <= MAX_TEXT;
    for (size_t i = 0; good && i < text.n; i++)
        good = (unsigned char)text.p[i] >= ' ' && text.p[i] != 0x7f;
    if (!good)
        return refuse(fault, "malformed-value", "one line of up to 256 bytes");
    *ret = text;
    return 0;
}

static int parse_address(enum property_type type, struct slice text, struct arena *a, struct slice *ret,
                         struct value_fault *fault)
{
    struct net_addr addr;
    char out[NET_ADDR_TEXT];
    int r = type == PROPERTY_ADDRESS ? net_addr_parse(text, 0, &addr) : net_addr_parse_port(text, 0, &addr);
    if (r < 0)
        return is_host(text)
                   ? refuse(fault, "name-for-address", "an address, not a name")
                   : refuse(fault, "malformed-value",
                            type == PROPERTY_ADDRESS ? "an IPv4 or IPv6 address" : "ADDRESS or ADDRESS:PORT");
    *ret = arena_copy(a, net_addr_port(&addr) ? net_addr_text(&addr, out) : net_addr_host_text(&addr, out));
    return 0;
}

int enum_index(const char *values, struct slice name)
{
    struct slice head, rest = slice_str(values);
    for (int i = 0;; i++) {
        bool more = slice_cut(rest, '|', &head, &rest);
        if (slice_caseeq(more ? head : rest, name))
            return i;
        if (!more)
            return -1;
    }
}

struct slice enum_name(const char *values, unsigned i)
{
    struct slice head, rest = slice_str(values);
    while (slice_cut(rest, '|', &head, &rest))
        if (i-- == 0)
            return head;
    return i == 0 ? rest : SLICE_NONE;
}

static int parse_enum(const struct property *p, struct slice text, struct slice *ret,
                      struct value_fault *fault)
{
    int i = enum_index(p->values, text);
    if (i < 0) {
        value_fault_set(fault, "unknown-value", "one of ");
        size_t n = strlen(fault->wanted);
        for (const char *v = p->values; *v && n + 3 < sizeof(fault->wanted); v++) {
            if (*v == '|')
                fault->wanted[n++] = ',';
            fault->wanted[n++] = *v == '|' ? ' ' : *v;
        }
        fault->wanted[n] = 0;
        return -EINVAL;
    }
    *ret = enum_name(p->values, (unsigned)i);
    return 0;
}

int value_check_int(const struct property *p, int64_t i, struct value_fault *fault)
{
    if (i >= p->min && i <= p->max)
        return 0;
    fault->id = "out-of-range";
    snprintf(fault->wanted, sizeof(fault->wanted), "a number from %lld to %lld%s%s", (long long)p->min,
             (long long)p->max, p->unit ? " " : "", p->unit ? p->unit : "");
    return -EINVAL;
}

static int parse_int(const struct property *p, struct slice text, struct value_fault *fault)
{
    uint64_t u;
    struct slice digits = slice_starts(text, SLICE("-")) ? slice_from(text, 1) : text;
    int r = slice_u64(digits, INT64_MAX, &u);
    if (r == -EINVAL)
        return refuse(fault, "wrong-type", "a number");
    if (r < 0)
        return value_check_int(p, INT64_MAX, fault);
    return value_check_int(p, digits.n == text.n ? (int64_t)u : -(int64_t)u, fault);
}

int value_parse_text(const struct property *p, enum property_type type, struct slice text, struct arena *a,
                     struct slice *ret, struct value_fault *fault)
{
    switch (type) {
    case PROPERTY_FQDN:
    case PROPERTY_DOMAIN:
        return parse_host(text, a, ret, fault);
    case PROPERTY_NAME:
        return parse_name(p, text, a, ret, fault);
    case PROPERTY_TEXT:
        return parse_line(text, ret, fault);
    case PROPERTY_USER:
        return parse_user(text, a, ret, fault);
    case PROPERTY_ADDRESS:
    case PROPERTY_ENDPOINT:
        return parse_address(type, text, a, ret, fault);
    case PROPERTY_ENUM:
        return parse_enum(p, text, ret, fault);
    case PROPERTY_INT:
        *ret = text;
        return parse_int(p, text, fault);
    case PROPERTY_BOOL:
        *ret = text;
        return enum_index("true|false", text) >= 0 ? 0 : refuse(fault, "wrong-type", "true or false");
    case PROPERTY_NAMES:
        return value_parse_text(p, p->item, text, a, ret, fault);
    case PROPERTY_OBJECTS:
    case PROPERTY_OBJECT:
        break;
    }
    return refuse(fault, "wrong-type", type == PROPERTY_OBJECT ? "an object" : "a list of objects");
}

/* --- defaults --- */
static struct topology_names default_names(const struct property *p, struct arena *a)
{
    struct slice head, rest = slice_str(p->otherwise);
    if (!p->otherwise)
        return (struct topology_names){0};
    size_t n = 1;
    for (size_t i = 0; i < rest.n; i++)
        n += rest.p[i] == '|';
    struct slice *items = ARENA_ARRAY(a, struct slice, n);
    for (size_t i = 0; i < n; i++)
        items[i] = slice_cut(rest, '|', &head, &rest) ? head : rest;
    return (struct topology_names){items, n};
}

static int64_t default_int(const struct property *p)
{
    uint64_t u = 0;
    if (p->otherwise && slice_u64(slice_str(p->otherwise), INT64_MAX, &u) < 0)
        return 0;
    return (int64_t)u;
}

static unsigned default_enum(const struct property *p)
{
    int i = p->otherwise ? enum_index(p->values, slice_str(p->otherwise)) : 0;
    return i < 0 ? 0 : (unsigned)i;
}

static bool default_bool(const struct property *p)
{
    return p->otherwise && strcmp(p->otherwise, "true") == 0;
}

void object_set_default(const struct property *p, void *object, struct arena *a)
{
    switch (p->type) {
    case PROPERTY_BOOL:
        MEMBER(object, bool, p->offset) = default_bool(p);
        break;
    case PROPERTY_INT:
        MEMBER(object, int64_t, p->offset) = default_int(p);
        break;
    case PROPERTY_ENUM:
        MEMBER(object, unsigned, p->offset) = default_enum(p);
        break;
    case PROPERTY_NAMES:
        MEMBER(object, struct topology_names, p->offset) = default_names(p, a);
        break;
    case PROPERTY_OBJECT:
        for (size_t i = 0; i < p->kind->n_properties; i++)
            object_set_default(&p->kind->properties[i], &MEMBER(object, char, p->offset), a);
        break;
    case PROPERTY_OBJECTS:
        break;
    default:
        MEMBER(object, struct slice, p->offset) = p->otherwise ? slice_str(p->otherwise) : SLICE("");
    }
}

static bool names_are(const struct topology_names *names, const char *otherwise)
{
    struct slice head, rest = slice_str(otherwise);
    if (!otherwise)
        return names->n == 0;
    for (size_t i = 0; i < names->n; i++) {
        bool more = slice_cut(rest, '|', &head, &rest);
        if (!slice_eq(more ? head : rest, names->items[i]))
            return false;
        if (!more)
            return i + 1 == names->n;
    }
    return false;
}

bool object_has_default(const struct property *p, const void *object)
{
    switch (p->type) {
    case PROPERTY_BOOL:
        return MEMBER_CONST(object, bool, p->offset) == default_bool(p);
    case PROPERTY_INT:
        return !p->required &&
               MEMBER_CONST(object, int64_t, p->offset) == (p->derived ? p->derived(object) : default_int(p));
    case PROPERTY_ENUM:
        return MEMBER_CONST(object, unsigned, p->offset) == default_enum(p);
    case PROPERTY_NAMES:
        return names_are(&MEMBER_CONST(object, struct topology_names, p->offset), p->otherwise);
    case PROPERTY_OBJECTS:
        return MEMBER_CONST(object, size_t, p->count_offset) == 0;
    case PROPERTY_OBJECT:
        for (size_t i = 0; i < p->kind->n_properties; i++)
            if (!object_has_default(&p->kind->properties[i], &MEMBER_CONST(object, char, p->offset)))
                return false;
        return true;
    default:
        return slice_eq(MEMBER_CONST(object, struct slice, p->offset),
                        p->otherwise ? slice_str(p->otherwise) : SLICE(""));
    }
}

struct json_value *property_default(const struct property *p, struct arena *a)
{
    if (p->type == PROPERTY_BOOL)
        return json_bool(a, default_bool(p));
    if (!p->otherwise)
        return NULL;
    if (p->type == PROPERTY_INT)
        return json_int(a, default_int(p));
    if (p->type != PROPERTY_NAMES)
        return json_string(a, slice_str(p->otherwise));
    struct topology_names names = default_names(p, a);
    struct json_value *list = json_array(a);
    for (size_t i = 0; i < names.n; i++)
        json_push(a, list, json_string(a, names.items[i]));
    return list;
}

/* --- words --- */
unsigned text_distance(struct slice a, struct slice b, unsigned limit)
{
    enum { WIDTH = 64 };
    unsigned row[WIDTH + 1];
    if (a.n > WIDTH || b.n > WIDTH)
        return limit + 1;
    for (unsigned j = 0; j <= b.n; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned change = diagonal + (text_lower(a.p[i - 1]) != text_lower(b.p[j - 1]));
            diagonal = row[j];
            unsigned best = diagonal < row[j - 1] ? diagonal + 1 : row[j - 1] + 1;
            row[j] = best < change ? best : change;
        }
    }
    return row[b.n] < limit ? row[b.n] : row[b.n] <= limit ? limit : limit + 1;
}

const char *kind_nearest(const struct kind *k, struct slice name)
{
    const char *best = NULL;
    unsigned best_distance = name.n < 4 ? 2 : (unsigned)(name.n / 3 < 4 ? name.n / 3 + 1 : 4) + 1;
    for (size_t i = 0; i < k->n_properties; i++) {
        struct slice known = slice_str(k->properties[i].name);
        unsigned d = text_distance(name, known, best_distance);
        if (d < best_distance) {
            best_distance = d;
            best = known.p;
        }
    }
    for (size_t i = 0; !best && name.n && i < k->n_properties; i++) /* half typed */
        if (slice_casestarts(slice_str(k->properties[i].name), name))
            best = k->properties[i].name;
    return best;
}

const struct kind *kind_with(const struct kind *root, struct slice name)
{
    if (kind_property(root, name))
        return root;
    for (size_t i = 0; i < root->n_properties; i++) {
        const struct kind *below =
            root->properties[i].kind ? kind_with(root->properties[i].kind, name) : NULL;
        if (below)
            return below;
    }
    return NULL;
}

struct slice property_type_text(const struct property *p, struct arena *a)
{
    static const char *const words[] = {
        [PROPERTY_FQDN] = "host name",      [PROPERTY_DOMAIN] = "SIP domain",
        [PROPERTY_NAME] = "name",           [PROPERTY_TEXT] = "text",
        [PROPERTY_ADDRESS] = "address",     [PROPERTY_ENDPOINT] = "address with or without port",
        [PROPERTY_USER] = "user's address", [PROPERTY_BOOL] = "true or false",
        [PROPERTY_INT] = "number",          [PROPERTY_ENUM] = "one of a list",
        [PROPERTY_NAMES] = "list",          [PROPERTY_OBJECTS] = "list",
        [PROPERTY_OBJECT] = "object",
    };
    if (p->type == PROPERTY_NAMES)
        return arena_printf(a, "list, each: %s", words[p->item]);
    if (p->type == PROPERTY_OBJECTS)
        return arena_printf(a, "list of %s", p->kind->name);
    return slice_str(words[p->type]);
}
