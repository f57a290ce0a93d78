#include "kept/store/db.h"

#include "ground/base/buf.h"
#include "ground/base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char schema[] = "CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v BLOB, i INTEGER)";
static const char insert[] = "INSERT INTO t (k, v, i) VALUES (?, ?, ?)";

static char folder[64], path[96];

static void new_folder(void)
{
    strcpy(folder, "/tmp/db_test.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/a.db", folder);
}

static void drop_folder(void)
{
    static const char *const suffix[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", path, suffix[i]);
        unlink(name);
    }
    CHECK_INT(rmdir(folder), 0);
}

static int put(struct db *d, const char *key, struct slice value)
{
    const struct db_value args[] = {DB_T(slice_str(key)), DB_B(value), DB_I(7)};
    return db_run(d, insert, args, 3, NULL, NULL);
}

static int on_number(void *arg, const struct db_value *columns, size_t n)
{
    CHECK_INT(n, 1);
    *(int64_t *)arg = columns[0].integer;
    return 0;
}

static int64_t count(struct db *d)
{
    int64_t n = -1;
    CHECK_INT(db_run(d, "SELECT count(*) FROM t", NULL, 0, on_number, &n), 0);
    return n;
}

static int on_values(void *arg, const struct db_value *c, size_t n)
{
    CHECK_INT(n, 5);
    CHECK_INT(c[0].type, DB_TEXT);
    CHECK_STR(c[0].text, "text");
    CHECK_INT(c[1].type, DB_BLOB);
    CHECK_SLICE(c[1].text, slice_mem("\0\1", 2));
    CHECK_INT(c[2].integer, INT64_MIN);
    CHECK_INT(c[3].type, DB_NULL);
    CHECK_INT(c[4].type, DB_TEXT); /* an empty text is not NULL */
    CHECK_INT(c[4].text.n, 0);
    ++*(int *)arg;
    return 42;
}

TEST(values)
{
    struct db *d;
    int rows = 0;
    new_folder();
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), 0);
    const struct db_value args[] = {DB_T(SLICE("text")),
                                    DB_B(slice_mem("\0\1", 2)),
                                    DB_I(INT64_MIN),
                                    {.type = DB_NULL},
                                    DB_T(SLICE_NONE)};
    CHECK_INT(db_run(d, "SELECT ?, ?, ?, ?, ? UNION ALL SELECT 1, 2, 3, 4, 5", args, 5, on_values, &rows),
              42);
    CHECK_INT(rows, 1); /* nonzero ended it */
    CHECK_INT(put(d, "k", SLICE("v")), 0);
    CHECK_INT(put(d, "k", SLICE("v")), -EEXIST);
    CHECK(strstr(db_error(d), "UNIQUE") != NULL);
    CHECK_INT(db_run(d, "SELECT nonsense FROM t", NULL, 0, NULL, NULL), -EINVAL);
    CHECK_INT(count(d), 1);
    db_close(d);
    db_close(NULL);
    drop_folder();
}

struct nested {
    struct db *d;
    int deep, rows;
};
static int on_nested(void *arg, const struct db_value *columns, size_t n)
{
    (void)columns;
    (void)n;
    struct nested *x = arg;
    x->rows++;
    if (x->deep == 2)
        return 0;
    x->deep++;
    int r = db_run(x->d, "SELECT k FROM t", NULL, 0, on_nested, x);
    x->deep--;
    return r;
}

TEST(statement_within_itself)
{
    struct db *d;
    new_folder();
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), 0);
    put(d, "a", SLICE_NONE);
    put(d, "b", SLICE_NONE);
    struct nested x = {.d = d};
    CHECK_INT(db_run(d, "SELECT k FROM t", NULL, 0, on_nested, &x), 0);
    CHECK_INT(x.rows, 2 + 4 + 8);
    db_close(d);
    drop_folder();
}

TEST(transactions)
{
    struct db *d;
    new_folder();
    CHECK_INT(db_open(path, DB_SYNC_FULL, schema, &d), 0);
    CHECK_INT(db_begin(d), 0);
    put(d, "a", SLICE("1"));
    db_rollback(d);
    db_rollback(d);
    CHECK_INT(count(d), 0);
    CHECK_INT(db_begin(d), 0);
    put(d, "a", SLICE("1"));
    CHECK_INT(put(d, "a", SLICE("1")), -EEXIST); /* an outcome, not a failure */
    CHECK_INT(db_commit(d), 0);
    CHECK_INT(db_commit(d), -EINVAL); /* there is none */
    CHECK_INT(db_begin(d), 0);
    CHECK_INT(put(d, "b", SLICE("1")), 0);
    CHECK_INT(db_run(d, "INSERT INTO nothing VALUES (1)", NULL, 0, NULL, NULL), -EINVAL);
    CHECK_INT(db_commit(d), -EINVAL); /* not without that one */
    db_close(d);
    CHECK_INT(db_open(path, DB_SYNC_FULL, schema, &d), 0);
    CHECK_INT(count(d), 1);
    db_close(d);
    drop_folder();
}

static unsigned mode_of(const char *suffix)
{
    char name[128];
    struct stat st;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &st) < 0 ? 0 : st.st_mode & 07777;
}

TEST(file_rights)
{
    struct db *d;
    mode_t before = umask(0);
    new_folder();
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), 0);
    put(d, "a", SLICE("secret"));
    CHECK_INT(mode_of(""), 0600);
    CHECK_INT(mode_of("-wal"), 0600);
    CHECK_INT(mode_of("-shm"), 0600);
    db_close(d);
    CHECK_INT(chmod(path, 0644), 0);
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), 0);
    CHECK_INT(mode_of(""), 0600);
    db_close(d);
    umask(before);
    drop_folder();
}

TEST(no_folder)
{
    struct db *d = NULL;
    CHECK_INT(db_open("/nonexistent/a.db", DB_SYNC_NORMAL, schema, &d), -EIO);
    CHECK(strstr(db_error(NULL), "No such file") != NULL);
    CHECK(d == NULL);
}

TEST(full_disk)
{
    static char big[65536];
    struct db *d;
    new_folder();
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), 0);
    CHECK_INT(db_run(d, "PRAGMA max_page_count=10", NULL, 0, NULL, NULL), 0);
    CHECK_INT(db_begin(d), 0);
    CHECK_INT(put(d, "small", SLICE("1")), 0);
    CHECK_INT(put(d, "big", slice_mem(big, sizeof(big))), -ENOSPC);
    CHECK_INT(db_commit(d), -ENOSPC); /* never half of it */
    CHECK_INT(count(d), 0);
    CHECK_INT(put(d, "big", slice_mem(big, sizeof(big))), -ENOSPC);
    CHECK_INT(db_run(d, "PRAGMA max_page_count=1000", NULL, 0, NULL, NULL), 0);
    CHECK_INT(put(d, "big", slice_mem(big, sizeof(big))), 0); /* works again */
    db_close(d);
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), 0);
    CHECK_INT(count(d), 1);
    db_close(d);
    drop_folder();
}

/* The kernel refuses every write that makes a file longer than n. */
static void limit_files(rlim_t n)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = n < l.rlim_max ? n : l.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &l), 0);
}

TEST(failing_writes)
{
    struct db *d;
    new_folder();
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(db_open(path, DB_SYNC_FULL, schema, &d), 0);
    CHECK_INT(put(d, "before", SLICE("1")), 0);
    limit_files(4096);
    CHECK_INT(db_begin(d), 0);
    int r = put(d, "lost", SLICE("1"));
    CHECK_INT(r ? r : db_commit(d), -EIO);
    db_rollback(d);
    CHECK_INT(count(d), 1); /* reading goes on */
    limit_files(RLIM_INFINITY);
    CHECK_INT(put(d, "after", SLICE("1")), 0);
    CHECK_INT(count(d), 2);
    db_close(d);
    CHECK_INT(db_open(path, DB_SYNC_FULL, schema, &d), 0);
    CHECK_INT(count(d), 2);
    db_close(d);
    drop_folder();
}

static void fill(void)
{
    struct db *d;
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), 0);
    db_begin(d);
    for (int i = 0; i < 500; i++) {
        char key[32];
        snprintf(key, sizeof(key), "key-%d", i);
        put(d, key, SLICE("some value, long enough to need a few pages in the end"));
    }
    CHECK_INT(db_commit(d), 0);
    db_close(d);
}

static void overwrite(off_t at, const char *text)
{
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0);
    CHECK_INT(pwrite(fd, text, strlen(text), at), (long long)strlen(text));
    close(fd);
}

TEST(damaged_files)
{
    struct db *d = NULL;
    struct stat st;
    new_folder();
    fill();
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(truncate(path, st.st_size / 2), 0);
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), -EBADMSG);
    CHECK(db_error(NULL)[0] != '\0');
    unlink(path);
    fill();
    overwrite(4096 * 3, "this is no page of a tree at all, not at all");
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), -EBADMSG);
    unlink(path);
    fill();
    overwrite(0, "something else");
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), -EBADMSG);
    CHECK(d == NULL);
    drop_folder();
}

TEST(damaged_while_open)
{
    struct db *d;
    struct stat st;
    int64_t n = 0;
    new_folder();
    fill();
    CHECK_INT(db_open(path, DB_SYNC_NORMAL, schema, &d), 0);
    CHECK_INT(db_run(d, "PRAGMA cache_size=0", NULL, 0, NULL, NULL), 0);
    CHECK_INT(stat(path, &st), 0);
    for (off_t at = 4096; at < st.st_size; at += 4096)
        overwrite(at, "this is no page of a tree at all, not at all");
    int r = db_run(d, "SELECT sum(length(v)) FROM t", NULL, 0, on_number, &n);
    CHECK_INT(r, -EBADMSG);
    db_close(d);
    drop_folder();
}

TEST_MAIN(values, statement_within_itself, transactions, file_rights, no_folder, full_disk, failing_writes,
          damaged_files, damaged_while_open)
