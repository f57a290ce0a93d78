/*
 * entente/file.h - files that a command reads and writes, and secrets: from a file, a terminal without echo
 * or standard input, never from arguments.
 */
#pragma once

#include "cmd/entente/command.h"

enum { FILE_MAX = 64 << 20, SECRET_MAX = 1024 };

/* "-" is standard input. EXIT_DONE, or EXIT_REFUSED after saying why. */
int file_read(struct invocation *v, const char *path, struct buf *out);
/* What a text has from its first PEM object on; none where there is no such object, or bytes that JSON does
 * not take. */
struct slice file_pem(struct slice text);
/* Written beside and renamed, so that a file is whole or is not there; mode as given (umask does not count).
 */
int file_write(struct invocation *v, const char *path, struct slice text, unsigned mode);
/* The first line of --password-file; otherwise asked for twice on a terminal, or the first line of standard
 * input. Refuses an empty one. The caller wipes with secret_fini. */
int secret_read(struct invocation *v, const char *what, struct buf *out);
/* The same with --passphrase-file; twice: a new one, that is asked for two times. Standard input is not read
 * unless it is a terminal. */
int passphrase_read(struct invocation *v, bool twice, struct buf *out);
void secret_fini(struct buf *secret);
