/*
 * store/db.h - SQLite, wrapped. Blocks: only on a helper thread, or before the workers start. WAL.
 *
 * Statements are prepared once and kept by text. A db belongs to one thread at a time.
 */
#pragma once

#include "ground/base/arena.h"

struct db;
enum db_sync {
    DB_SYNC_FULL,
    DB_SYNC_NORMAL
}; /* NORMAL: survives kill -9, may lose the last moment at power loss */
/* Creates the file (0600) and runs `schema` (CREATE TABLE IF NOT EXISTS …). 0 or negative errno: -EIO,
 * -ENOSPC, -EBADMSG when the file is damaged; db_error has the words. */
int db_open(const char *path, enum db_sync sync, const char *schema, struct db **ret);
void db_close(struct db *d);
const char *db_error(const struct db *d);

/* Values by position. */
struct db_value {
    enum { DB_NULL, DB_INT, DB_TEXT, DB_BLOB } type;
    int64_t integer;
    struct slice text; /* of results: valid until the next step */
};
#define DB_I(v)                                                                                              \
    (struct db_value)                                                                                        \
    {                                                                                                        \
        DB_INT, (v),                                                                                         \
        {                                                                                                    \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }
#define DB_T(s)                                                                                              \
    (struct db_value)                                                                                        \
    {                                                                                                        \
        DB_TEXT, 0, (s)                                                                                      \
    }
#define DB_B(s)                                                                                              \
    (struct db_value)                                                                                        \
    {                                                                                                        \
        DB_BLOB, 0, (s)                                                                                      \
    }
typedef int db_row(void *arg, const struct db_value *columns, size_t n); /* nonzero ends with that */
/* row NULL: no results wanted. 0, negative errno (-EEXIST constraint), or what row answered. */
int db_run(struct db *d, const char *sql, const struct db_value *args, size_t n, db_row *row, void *arg);
int db_begin(struct db *d);
int db_commit(struct db *d);
void db_rollback(struct db *d);
