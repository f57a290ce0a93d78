#include "ground/base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *mem_check(void *p, size_t n)
{
    if (!p) {
        fprintf(stderr, "out of memory (%zu bytes)\n", n);
        abort();
    }
    return p;
}

void *mem_alloc(size_t n)
{
    return mem_check(malloc(n ? n : 1), n);
}

void *mem_zalloc(size_t n)
{
    return mem_check(calloc(1, n ? n : 1), n);
}

void *mem_realloc(void *p, size_t n)
{
    return mem_check(realloc(p, n ? n : 1), n);
}

char *mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(mem_alloc(n), s, n);
}

void mem_free(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t n)
{
    if (p)
        explicit_bzero(p, n);
}

size_t mem_in_use(void)
{
    struct mallinfo2 i = mallinfo2();
    return i.uordblks + i.hblkhd;
}
