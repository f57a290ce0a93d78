/*
 * store/db.h - SQLite, wrapped. Blocks: only on a helper thread, or before the workers start. WAL.
 *
 * Statements are prepared once and kept by text (so text is constant, values are arguments). A db belongs to
 * one thread at a time.
 *
 * When the disk fails: -ENOSPC full (or over quota), -EBADMSG the file is damaged, -EIO anything else,
 * -EBUSY another process held the file for seconds. A statement that failed changed nothing; a transaction
 * with a failed statement (-EEXIST aside) cannot be committed: db_commit answers that failure again and
 * undoes all. The db stays usable and works again when the disk does.
 */
#pragma once

#include "ground/base/arena.h"

struct db;
enum db_sync {
    DB_SYNC_FULL,
    DB_SYNC_NORMAL
}; /* NORMAL: survives kill -9, may lose the last moment at power loss */
/* Creates the file (0600) and runs `schema` (CREATE TABLE IF NOT EXISTS …). 0 or negative errno: -EIO,
 * -ENOSPC, -EBADMSG when the file is damaged (it is looked through); db_error(NULL) has the words of this
 * thread's last failure to open. The folder must exist. After a crash
 * opening needs some 100 KiB of room on the disk. */
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
/* One at a time, not nested. db_commit: 0, and with DB_SYNC_FULL it survives power loss; or negative, and all
 * was undone (when the disk failed at the very end of it, a restart after a crash may still find it whole).
 * Either way the transaction is over. db_rollback without a transaction is harmless. */
int db_begin(struct db *d);
int db_commit(struct db *d);
void db_rollback(struct db *d);
