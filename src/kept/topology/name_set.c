#include "kept/topology/name_set.h"

void name_set_add(struct name_set *s, struct slice name)
{
    for (size_t i = 0; i < s->n; i++)
        if (slice_caseeq(s->items[i], name))
            return;
    if (!name.n)
        return;
    if (s->n == s->cap) {
        struct slice *more = ARENA_ARRAY(s->a, struct slice, s->cap ? 2 * s->cap : 8);
        if (s->n)
            memcpy(more, s->items, s->n * sizeof(*more));
        s->items = more;
        s->cap = s->cap ? 2 * s->cap : 8;
    }
    s->items[s->n++] = arena_copy(s->a, name);
}
