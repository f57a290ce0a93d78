#include "ground/log/journal.h"

#include "ground/base/buf.h"
#include "ground/base/test.h"
#include "ground/log/log.h"
#include "ground/log/metric.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };
static char folder[64], path[96];

static void make_folder(void)
{
    log_setup(LOG_TEXT, LOG_ERROR, NULL, NULL, 2);
    snprintf(folder, sizeof(folder), "/tmp/journal.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/access.log", folder);
}

static size_t read_file(unsigned i, char *out, size_t cap)
{
    char name[128];
    snprintf(name, sizeof(name), i ? "%s.%u" : "%s", path, i);
    FILE *f = fopen(name, "r");
    size_t n = f ? fread(out, 1, cap, f) : 0;
    if (f)
        fclose(f);
    return n;
}

static size_t remove_folder(void)
{
    DIR *d = opendir(folder);
    size_t n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            char name[512];
            snprintf(name, sizeof(name), "%s/%s", folder, e->d_name);
            CHECK_INT(unlink(name), 0);
            n++;
        }
    closedir(d);
    CHECK_INT(rmdir(folder), 0);
    return n;
}

static void write_numbered(struct journal *j, int from, int to)
{
    char line[32];
    for (int i = from; i < to; i++) {
        int n = snprintf(line, sizeof(line), "line %06d\n", i); /* 12 bytes */
        CHECK(journal_write(j, slice_mem(line, (size_t)n)));
    }
}

TEST(lines_arrive_in_order)
{
    static char text[1 << 20];
    struct journal *j = NULL;
    make_folder();
    CHECK_INT(journal_open(path, &(struct journal_limits){0}, &j), 0);
    write_numbered(j, 0, 5000);
    CHECK(journal_flush(j, WAIT_MS));
    size_t n = read_file(0, text, sizeof(text));
    CHECK_INT(n, 5000 * 12);
    for (size_t i = 0; i < 5000 && n == 60000; i += 999) {
        char want[32];
        snprintf(want, sizeof(want), "line %06zu\n", i);
        CHECK(memcmp(text + i * 12, want, 12) == 0);
    }
    journal_unref(j);
    struct stat st;
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0640);
    CHECK_INT(remove_folder(), 1);
}

TEST(rotates_by_size_between_lines)
{
    static char text[4096];
    struct journal *j = NULL;
    make_folder();
    CHECK_INT(journal_open(path, &(struct journal_limits){.max_bytes = 100, .keep = 3}, &j), 0);
    write_numbered(j, 0, 50);
    journal_unref(j);
    /* eight lines of 12 bytes a file: 0..7, …, 48 and 49 in the newest; the three before it are kept */
    CHECK_INT(read_file(0, text, sizeof(text)), 24);
    CHECK(memcmp(text, "line 000048\nline 000049\n", 24) == 0);
    for (unsigned i = 1; i <= 3; i++)
        CHECK_INT(read_file(i, text, sizeof(text)), 96);
    CHECK(memcmp(text, "line 000024\n", 12) == 0);
    CHECK_INT(remove_folder(), 4);
}

TEST(keeps_none_when_told_so)
{
    static char text[4096];
    struct journal *j = NULL;
    make_folder();
    CHECK_INT(journal_open(path, &(struct journal_limits){.max_bytes = 100}, &j), 0);
    write_numbered(j, 0, 50);
    journal_unref(j);
    CHECK_INT(read_file(0, text, sizeof(text)), 24);
    CHECK_INT(remove_folder(), 1);
}

TEST(a_line_larger_than_a_file)
{
    static char text[4096];
    struct journal *j = NULL;
    make_folder();
    CHECK_INT(journal_open(path, &(struct journal_limits){.max_bytes = 5, .keep = 9}, &j), 0);
    write_numbered(j, 0, 3);
    journal_unref(j);
    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(read_file(i, text, sizeof(text)), 12);
    CHECK_INT(remove_folder(), 3);
}

/* As logrotate does with copytruncate: the size that counts is the file's own. */
TEST(a_file_that_somebody_cut)
{
    static char text[4096];
    struct journal *j = NULL;
    make_folder();
    CHECK_INT(journal_open(path, &(struct journal_limits){.max_bytes = 100, .keep = 3}, &j), 0);
    write_numbered(j, 0, 6);
    CHECK(journal_flush(j, WAIT_MS));
    CHECK_INT(truncate(path, 0), 0);
    write_numbered(j, 6, 9);
    journal_unref(j);
    CHECK_INT(read_file(0, text, sizeof(text)), 36);
    CHECK(memcmp(text, "line 000006\n", 12) == 0);
    CHECK_INT(remove_folder(), 1);
}

TEST(begins_anew_where_somebody_moved_the_file)
{
    static char text[4096];
    char moved[128];
    struct journal *j = NULL;
    make_folder();
    snprintf(moved, sizeof(moved), "%s.1", path);
    CHECK_INT(journal_open(path, &(struct journal_limits){0}, &j), 0);
    write_numbered(j, 0, 2);
    CHECK(journal_flush(j, WAIT_MS));
    CHECK_INT(rename(path, moved), 0);
    write_numbered(j, 2, 3); /* still into the old one */
    journal_reopen(j);
    CHECK(journal_flush(j, WAIT_MS));
    write_numbered(j, 3, 4);
    journal_unref(j);
    CHECK_INT(read_file(1, text, sizeof(text)), 36);
    CHECK_INT(read_file(0, text, sizeof(text)), 12);
    CHECK(memcmp(text, "line 000003\n", 12) == 0);
    CHECK_INT(remove_folder(), 2);
}

static void *close_it(void *arg)
{
    journal_unref(arg);
    return NULL;
}

/* The sum of what whole lines say was lost. */
static uint64_t take_losses(struct buf *text)
{
    struct slice line, rest, tail, number;
    uint64_t sum = 0, n;
    while (slice_cut(buf_slice(text), '\n', &line, &rest)) {
        size_t at = slice_search(line, SLICE("\"lost\":"));
        if (at != SIZE_MAX && slice_cut(slice_from(line, at + 7), '}', &number, &tail) &&
            slice_u64(number, 100000, &n) == 0)
            sum += n;
        buf_consume(text, line.n + 1);
    }
    return sum;
}

/* A pipe that nobody reads: the writer goes on at once, what is too much is dropped, and that is told where
 * the lines are. */
TEST(a_stuck_disk_holds_up_nobody)
{
    static char line[1001], text[1 << 16];
    int p[2];
    struct journal *j = NULL;
    log_setup(LOG_TEXT, LOG_ERROR, NULL, NULL, 2);
    memset(line, 'x', 1000);
    line[1000] = '\n';
    CHECK_INT(pipe(p), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", p[1]);
    CHECK_INT(journal_open(path, &(struct journal_limits){0}, &j), 0);
    int64_t before = metric_read("journal.dropped");
    size_t taken = 0;
    for (int i = 0; i < 20000; i++)
        taken += journal_write(j, slice_mem(line, sizeof(line)));
    int64_t dropped = metric_read("journal.dropped") - before;
    CHECK_INT(taken + (size_t)dropped, 20000);
    /* what the queue holds, and what the thread took before it hung: one queue more at the most */
    CHECK(taken <= 2 * JOURNAL_MAX_QUEUED / sizeof(line) + 1);
    CHECK(dropped > 10000);
    CHECK(journal_waiting(j) > JOURNAL_MAX_QUEUED - sizeof(line));
    CHECK(!journal_flush(j, 50));
    /* It is read again. The last line says what was lost. */
    close(p[1]);
    journal_write(j, SLICE("{}\n"));
    pthread_t closer;
    CHECK_INT(pthread_create(&closer, NULL, close_it, j), 0);
    struct buf tail = {0};
    uint64_t lost = 0;
    for (ssize_t n; (n = read(p[0], text, sizeof(text))) > 0;) {
        buf_append_mem(&tail, text, (size_t)n);
        lost += take_losses(&tail);
    }
    pthread_join(closer, NULL);
    CHECK_INT(lost, metric_read("journal.dropped") - before);
    buf_fini(&tail);
    close(p[0]);
}

/* A limit on file sizes stands for a full disk: counted, and mended with whole lines. */
TEST(a_full_disk_is_counted_and_mends)
{
    struct journal *j = NULL;
    make_folder();
    snprintf(path, sizeof(path), "/dev/full");
    CHECK_INT(journal_open(path, &(struct journal_limits){0}, &j), 0);
    int64_t before = metric_read("journal.failed");
    write_numbered(j, 0, 10);
    CHECK(journal_flush(j, WAIT_MS));
    CHECK_INT(metric_read("journal.failed") - before, 10);
    journal_unref(j);
    CHECK_INT(rmdir(folder), 0);
}

TEST(what_cannot_be_opened)
{
    struct journal *j = NULL;
    CHECK(journal_open("/no/such/folder/access.log", &(struct journal_limits){0}, &j) < 0);
    CHECK(j == NULL);
    journal_unref(NULL);
}

static void *chatter(void *arg)
{
    for (int i = 0; i < 2000; i++)
        journal_write(arg, SLICE("0123456789abcdef\n"));
    return NULL;
}

TEST(threads_write_whole_lines)
{
    static char text[1 << 20];
    pthread_t t[3];
    struct journal *j = NULL;
    size_t total = 0;
    make_folder();
    CHECK_INT(journal_open(path, &(struct journal_limits){.max_bytes = 20000, .keep = 100}, &j), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&t[i], NULL, chatter, j), 0);
    for (int i = 0; i < 20; i++)
        journal_reopen(j);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    journal_unref(j);
    for (unsigned i = 0; i <= 100; i++) {
        size_t n = read_file(i, text, sizeof(text));
        CHECK_INT(n % 17, 0);
        total += n;
        for (size_t k = 0; k + 17 <= n; k += 17)
            if (memcmp(text + k, "0123456789abcdef\n", 17) != 0)
                TEST_DIAG("a torn line at %zu of file %u", k, i);
    }
    CHECK_INT(total, 6000 * 17);
    remove_folder();
}

TEST_MAIN(a_file_that_somebody_cut, lines_arrive_in_order, rotates_by_size_between_lines,
          keeps_none_when_told_so, a_line_larger_than_a_file, begins_anew_where_somebody_moved_the_file,
          a_stuck_disk_holds_up_nobody, a_full_disk_is_counted_and_mends, what_cannot_be_opened,
          threads_write_whole_lines)
