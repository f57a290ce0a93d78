/*
 * base/mem.h - the heap. An allocation that fails ends the process (abort): every amount that a peer controls
 * has a named limit, so memory can only run out by a fault of ours, and a half-served request is worse than a
 * restart. Nothing else in the tree needs to test for NULL.
 */
#pragma once

#include <stddef.h>

__attribute__((malloc, returns_nonnull)) void *mem_alloc(size_t n);  /* not cleared */
__attribute__((malloc, returns_nonnull)) void *mem_zalloc(size_t n); /* cleared */
__attribute__((returns_nonnull)) void *mem_realloc(void *p, size_t n);
__attribute__((malloc, returns_nonnull)) char *mem_strdup(const char *s);
void mem_free(void *p); /* NULL is fine */
/* Overwrites before freeing: keys, passwords. */
void mem_wipe(void *p, size_t n);

/* Bytes that the process has allocated and not freed: what resident memory cannot tell, since pages are
 * touched late and given back late. 0 where the allocator does not count (sanitizers). */
size_t mem_in_use(void);

#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))
