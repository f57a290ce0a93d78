/*
 * base/list.h - intrusive doubly linked list: the link lies in the object, so linking cannot fail.
 *
 * A head is a `struct list` set up with list_init. A link that is in no list is {0} or list_init'ed;
 * unlinking it is harmless, also twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_ENTRY(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))
#define LIST_INIT(head)                                                                                      \
    {                                                                                                        \
        &(head), &(head)                                                                                     \
    }
/* The body may unlink `it`, and only it. */
#define LIST_FOR(it, head)                                                                                   \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                                \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == NULL || l->next == l;
}
static inline bool list_linked(const struct list *l)
{
    return l->next != NULL && l->next != l;
}
static inline void list_unlink(struct list *l)
{
    if (l->next) {
        l->next->prev = l->prev;
        l->prev->next = l->next;
    }
    l->next = l->prev = l;
}
static inline void list_insert_before(struct list *pos, struct list *l)
{
    l->next = pos;
    l->prev = pos->prev;
    pos->prev->next = l;
    pos->prev = l;
}
static inline void list_push_back(struct list *head, struct list *l)
{
    list_insert_before(head, l);
}
static inline void list_push_front(struct list *head, struct list *l)
{
    list_insert_before(head->next, l);
}
static inline struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}
static inline struct list *list_last(const struct list *head)
{
    return list_empty(head) ? NULL : head->prev;
}
