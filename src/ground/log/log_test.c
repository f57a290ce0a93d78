#include "ground/log/log.h"

#include "ground/base/test.h"

#include <pthread.h>
#include <unistd.h>

static char got[1 << 20];

static FILE *sink(enum log_format format, enum log_level least)
{
    FILE *f = tmpfile();
    log_setup(format, least, "entented", "edge1.contoso.example", fileno(f));
    return f;
}

static struct slice drain(FILE *f)
{
    ssize_t n = pread(fileno(f), got, sizeof(got), 0);
    fclose(f);
    log_setup(LOG_TEXT, LOG_INFO, NULL, NULL, 2);
    return slice_mem(got, n > 0 ? (size_t)n : 0);
}

TEST(text_line)
{
    FILE *f = sink(LOG_TEXT, LOG_INFO);
    log_event(LOG_WARN, "edge.refused",
              FIELDS({"peer", SLICE("192.0.2.1:5061")}, {"why", SLICE("no \"name\"")}), "refused %s", "it");
    log_debug("edge.detail", "not shown");
    struct slice line = drain(f);
    CHECK(line.n > 13 && line.p[2] == ':' && line.p[5] == ':' && line.p[8] == '.');
    CHECK_STR(slice_from(line, 12),
              " WARN  edge.refused: refused it peer=192.0.2.1:5061 why=\"no \\\"name\\\"\"\n");
}

TEST(json_line)
{
    FILE *f = sink(LOG_AUTO, LOG_DEBUG); /* a file is no terminal */
    log_event(LOG_DEBUG, "sip.sent", FIELDS({"call_id", SLICE("a\"b\\c")}), "sent");
    struct slice line = drain(f);
    CHECK(slice_starts(line, SLICE("{\"time\":\"20")));
    CHECK_STR(
        slice_from(line, strlen("{\"time\":\"2026-01-01T00:00:00") + 4),
        "Z\",\"level\":\"debug\",\"id\":\"sip.sent\",\"program\":\"entented\",\"machine\":\"edge1.contoso."
        "example\",\"text\":\"sent\",\"call_id\":\"a\\\"b\\\\c\"}\n");
}

TEST(hostile_text_stays_one_line)
{
    static const struct {
        enum log_format format;
        struct slice in;
        const char *want;
    } cases[] = {
        {LOG_TEXT, SLICE_INIT("a\r\nb"),       "v=a\\r\\nb\n"                    },
        {LOG_TEXT, SLICE_INIT("\x1b[2J"),      "v=\\x1b[2J\n"                    },
        {LOG_TEXT, SLICE_INIT("\xc2\x9b"),     "v=\\x9b\n"                       },
        {LOG_TEXT, SLICE_INIT("\xff\xc3"),     "v=\\xff\\xc3\n"                  },
        {LOG_TEXT, SLICE_INIT("\xed\xa0\x80"), "v=\\xed\\xa0\\x80\n"             },
        {LOG_TEXT, SLICE_INIT("gr\xc3\xbc"),   "v=gr\xc3\xbc\n"                  },
        {LOG_JSON, SLICE_INIT("a\nb\0c"),      "\"v\":\"a\\nb\\u0000c\"}\n"      },
        {LOG_JSON, SLICE_INIT("\x7f\xff"),     "\"v\":\"\\u007f\xef\xbf\xbd\"}\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        FILE *f = sink(cases[i].format, LOG_INFO);
        log_event(LOG_INFO, "x.y", FIELDS({"v", cases[i].in}), "t");
        struct slice line = drain(f), want = slice_str(cases[i].want);
        CHECK(slice_ends(line, want));
        CHECK_INT(slice_find(line, '\n'), line.n - 1);
    }
}

TEST(long_values_are_cut)
{
    static char big[100000];
    memset(big, '\n', sizeof(big));
    for (int json = 0; json < 2; json++) {
        FILE *f = sink(json ? LOG_JSON : LOG_TEXT, LOG_INFO);
        struct slice v = slice_mem(big, sizeof(big));
        log_event(LOG_INFO, "x.y", FIELDS({"a", v}, {"b", v}, {"c", v}, {"d", v}, {"e", v}), "%.*s", 5000,
                  big);
        struct slice line = drain(f);
        CHECK(line.n <= 4096);
        CHECK(line.n > 3000);
        CHECK_INT(slice_find(line, '\n'), line.n - 1);
        CHECK(!json || slice_ends(line, SLICE("\"}\n")));
    }
}

static void *chatter(void *arg)
{
    for (int i = 0; i < 500; i++)
        log_event(LOG_INFO, "x.y", FIELDS({"who", slice_str(arg)}), "line %d", i);
    return NULL;
}

TEST(threads_do_not_tear_lines)
{
    FILE *f = sink(LOG_TEXT, LOG_INFO);
    pthread_t t[2];
    pthread_create(&t[0], NULL, chatter, "aaaa");
    pthread_create(&t[1], NULL, chatter, "bbbb");
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    struct slice text = drain(f), line;
    size_t n = 0;
    while (slice_cut(text, '\n', &line, &text)) {
        n++;
        CHECK(slice_ends(line, SLICE("who=aaaa")) || slice_ends(line, SLICE("who=bbbb")));
    }
    CHECK_INT(n, 1000);
}

TEST(levels)
{
    enum log_level l = LOG_INFO;
    CHECK_INT(log_level_parse(SLICE("Error"), &l), 0);
    CHECK_INT(l, LOG_ERROR);
    CHECK(log_level_parse(SLICE("loud"), &l) < 0);
    log_setup(LOG_TEXT, LOG_WARN, NULL, NULL, 2);
    CHECK(!log_enabled(LOG_INFO));
    CHECK(log_enabled(LOG_WARN));
}

static void *read_all(void *arg)
{
    static char in[65536];
    while (read(*(int *)arg, in, sizeof(in)) > 0)
        ;
    return NULL;
}

/* A pipe that nobody reads: the caller goes on, and what is lost is said afterwards. */
TEST(unread_log_holds_up_nobody)
{
    int p[2];
    CHECK_INT(pipe(p), 0);
    log_setup(LOG_JSON, LOG_INFO, "entented", "m", p[1]);
    log_write_behind(true);
    char text[900];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    for (int i = 0; i < 8000; i++) /* more than what may wait */
        log_info("test.line", "%s", text);
    static char in[65536];
    size_t lines = 0;
    for (ssize_t n; lines < 100 && (n = read(p[0], in, sizeof(in))) > 0;) /* room again */
        for (ssize_t i = 0; i < n; i++)
            lines += in[i] == '\n';
    log_info("test.after", "on");
    bool told = false;
    for (ssize_t n; !told && (n = read(p[0], in, sizeof(in))) > 0;)
        told = slice_search(slice_mem(in, (size_t)n), SLICE("log.dropped")) != SIZE_MAX;
    CHECK(told);
    pthread_t reader;
    CHECK_INT(pthread_create(&reader, NULL, read_all, &p[0]), 0);
    log_write_behind(false);
    log_setup(LOG_TEXT, LOG_INFO, NULL, NULL, 2);
    close(p[1]);
    pthread_join(reader, NULL);
    close(p[0]);
}

TEST_MAIN(text_line, json_line, hostile_text_stays_one_line, long_values_are_cut, threads_do_not_tear_lines,
          levels, unread_log_holds_up_nobody)
