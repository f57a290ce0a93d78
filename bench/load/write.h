/*
 * load/write.h - composing a message in one buffer. Nothing is checked: the load writes only what fits.
 */
#pragma once

#include <stdint.h>

#include "load/sip.h"

enum { WRITE_MAX = 16384 };

struct written {
    char d[WRITE_MAX];
    size_t n;
};
extern struct written out;

void lit(const char *s);
void add(struct str s);
void hex(uint64_t v, int digits);
void dec(unsigned v);
void no_body(void);
/* Record-Route lines of a message as Route lines; a UAC reverses their order. */
void add_routes(const struct sip *m, bool reverse);
/* A response up to and with CSeq; a To without tag gets TAG and the first 16 characters of the Call-ID. */
void reply(const struct sip *m, int status, const char *reason, const char *tag);
