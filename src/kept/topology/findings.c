#include "kept/topology/priv.h"

#include "ground/base/mem.h"

#include <stdarg.h>

void findings_fini(struct findings *f)
{
    mem_free(f->items);
    arena_fini(&f->arena);
    *f = (struct findings){0};
}

__attribute__((format(printf, 2, 0))) static struct slice copy_format(struct arena *a, const char *fmt,
                                                                      va_list ap)
{
    struct buf b = {0};
    buf_vprintf(&b, fmt, ap);
    struct slice s = arena_copy(a, buf_slice(&b));
    buf_fini(&b);
    return s;
}

/* Beyond the limit findings are counted and not kept: the document is refused all the same. */
__attribute__((format(printf, 7, 0))) static void add(struct findings *f, unsigned line, const char *id,
                                                      enum finding_severity severity, struct slice path,
                                                      const char *remedy, const char *fmt, va_list ap)
{
    *(severity == FINDING_ERROR ? &f->errors : &f->warnings) += 1;
    if (f->n == FINDINGS_MAX)
        return;
    if ((f->n & (f->n - 1)) == 0)
        f->items = mem_realloc(f->items, (f->n ? 2 * f->n : 1) * sizeof(*f->items));
    f->items[f->n++] = (struct finding){
        .id = id,
        .severity = severity,
        .path = arena_copy(&f->arena, path),
        .text = copy_format(&f->arena, fmt, ap),
        .remedy = remedy ? arena_copy(&f->arena, slice_str(remedy)) : SLICE(""),
        .line = line,
    };
}

void findings_add(struct findings *f, const char *id, enum finding_severity severity, struct slice path,
                  const char *remedy, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(f, 0, id, severity, path, remedy, fmt, ap);
    va_end(ap);
}

void findings_add_line(struct findings *f, unsigned line, const char *id, enum finding_severity severity,
                       struct slice path, const char *remedy, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(f, line, id, severity, path, remedy, fmt, ap);
    va_end(ap);
}

struct json_value *findings_to_json(const struct findings *f, struct arena *a)
{
    struct json_value *list = json_array(a);
    for (size_t i = 0; i < f->n; i++) {
        const struct finding *g = &f->items[i];
        struct json_value *o = json_object(a);
        json_set_string(a, o, "id", slice_str(g->id));
        json_set_string(a, o, "severity", g->severity == FINDING_ERROR ? SLICE("error") : SLICE("warning"));
        json_set_string(a, o, "path", g->path);
        json_set_string(a, o, "text", g->text);
        if (g->remedy.n)
            json_set_string(a, o, "remedy", g->remedy);
        if (g->line)
            json_set_int(a, o, "line", g->line);
        json_push(a, list, o);
    }
    return list;
}
