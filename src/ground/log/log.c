#include "ground/log/log.h"

#include "ground/base/buf.h"
#include "ground/base/mem.h"
#include "ground/log/writer.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    LOG_MAX_LINE = PIPE_BUF, /* what one write(2) puts into a pipe in one piece */
    LOG_MAX_VALUE = 1024,    /* of one field or of the text, after escaping */
    LOG_TAIL = 32,           /* kept free for what closes a value and the line */
};

static const struct {
    const char *text, *json;
} level_names[] = {
    [LOG_DEBUG] = {"DEBUG", "debug"},
    [LOG_INFO] = {"INFO ", "info" },
    [LOG_WARN] = {"WARN ", "warn" },
    [LOG_ERROR] = {"ERROR", "error"},
};

/* Written by log_setup alone; the lock lets a line that is being built finish first. */
static struct {
    pthread_rwlock_t lock;
    bool json;
    char *program, *machine;
    int fd;
} config = {.lock = PTHREAD_RWLOCK_INITIALIZER, .fd = STDERR_FILENO};
static _Atomic int least_level = LOG_INFO;

void log_setup(enum log_format format, enum log_level least, const char *program, const char *machine, int fd)
{
    pthread_rwlock_wrlock(&config.lock);
    mem_free(config.program);
    mem_free(config.machine);
    config.program = program ? mem_strdup(program) : NULL;
    config.machine = machine ? mem_strdup(machine) : NULL;
    config.json = format == LOG_JSON || (format == LOG_AUTO && !isatty(fd));
    config.fd = fd;
    pthread_rwlock_unlock(&config.lock);
    atomic_store(&least_level, (int)least);
}

void log_setup_machine(const char *machine)
{
    pthread_rwlock_wrlock(&config.lock);
    mem_free(config.machine);
    config.machine = mem_strdup(machine);
    pthread_rwlock_unlock(&config.lock);
}

int log_level_parse(struct slice name, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (slice_caseeq(name, slice_str(level_names[i].json))) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

/* The length of the UTF-8 sequence at p (RFC 3629 section 4), 0 when it is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char lead_min, lead_max, next_min, next_max, len;
    } forms[] = {
        {0x00, 0x7f, 0,    0,    1},
        {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (p[0] < forms[i].lead_min || p[0] > forms[i].lead_max)
            continue;
        size_t len = forms[i].len;
        if (len > n || (len > 1 && (p[1] < forms[i].next_min || p[1] > forms[i].next_max)))
            return 0;
        for (size_t k = 2; k < len; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return len;
    }
    return 0;
}

/* What could move a terminal's cursor or end a line: C0, DEL, C1 (two bytes in UTF-8). */
static bool is_control(const unsigned char *p, size_t len)
{
    return len == 1 ? p[0] < 0x20 || p[0] == 0x7f : len == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

static void put_control(struct buf *out, const unsigned char *p, size_t len, bool json)
{
    unsigned code = len == 2 ? p[1] : p[0];
    static const char short_forms[][2] = {
        {'\n', 'n'},
        {'\r', 'r'},
        {'\t', 't'},
    };
    for (size_t i = 0; i < sizeof(short_forms) / sizeof(short_forms[0]); i++) {
        if (code == (unsigned char)short_forms[i][0]) {
            buf_append_char(out, '\\');
            buf_append_char(out, short_forms[i][1]);
            return;
        }
    }
    buf_printf(out, json ? "\\u%04x" : "\\x%02x", code);
}

/* Up to `stop` bytes in all; what does not fit is replaced by an ellipsis. */
static void put_until(struct buf *out, struct slice s, size_t stop, bool json, bool quoted)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;
    while (p < end) {
        if (buf_len(out) >= stop) {
            buf_append(out, SLICE("\u2026"));
            return;
        }
        size_t len = utf8_len(p, (size_t)(end - p));
        if (len == 0 && json)
            buf_append(out, SLICE("\ufffd"));
        else if (len == 0)
            buf_printf(out, "\\x%02x", *p);
        else if (is_control(p, len))
            put_control(out, p, len, json);
        else {
            if (*p == '\\' || (quoted && *p == '"'))
                buf_append_char(out, '\\');
            buf_append_mem(out, p, len);
        }
        p += len ? len : 1;
    }
}

/* At most LOG_MAX_VALUE bytes and never past the line. */
static void put_escaped(struct buf *out, struct slice s, bool json, bool quoted)
{
    size_t room = LOG_MAX_LINE - LOG_TAIL - buf_len(out);
    put_until(out, s, buf_len(out) + (room < LOG_MAX_VALUE ? room : LOG_MAX_VALUE), json, quoted);
}

void log_put_json(struct buf *out, struct slice s, size_t max)
{
    put_until(out, s, buf_len(out) + max, true, true);
}

void log_put_utf8(struct buf *out, struct slice s)
{
    while (s.n) {
        size_t len = utf8_len((const unsigned char *)s.p, s.n);
        buf_append(out, len ? slice_head(s, len) : SLICE("\ufffd"));
        s = slice_from(s, len ? len : 1);
    }
}

static void put_json_member(struct buf *out, const char *key, struct slice value)
{
    if (buf_len(out) + strlen(key) + 3 * (size_t)LOG_TAIL > LOG_MAX_LINE)
        return;
    if (buf_len(out) > 1)
        buf_append_char(out, ',');
    buf_append_char(out, '"');
    put_escaped(out, slice_str(key), true, true);
    buf_append(out, SLICE("\":\""));
    put_escaped(out, value, true, true);
    buf_append_char(out, '"');
}

static void put_text_field(struct buf *out, const struct log_field *f)
{
    if (buf_len(out) + strlen(f->key) + 3 * (size_t)LOG_TAIL > LOG_MAX_LINE)
        return;
    bool quoted = f->value.n == 0;
    for (size_t i = 0; i < f->value.n && !quoted; i++)
        quoted = strchr(" \t\"=", f->value.p[i]) != NULL;
    buf_append_char(out, ' ');
    put_escaped(out, slice_str(f->key), false, false);
    buf_append_char(out, '=');
    if (quoted)
        buf_append_char(out, '"');
    put_escaped(out, f->value, false, quoted);
    if (quoted)
        buf_append_char(out, '"');
}

static void build_json(struct buf *out, const struct timespec *at, enum log_level level, const char *id,
                       const struct log_field *fields, struct slice text)
{
    struct tm tm;
    char stamp[64];
    gmtime_r(&at->tv_sec, &tm);
    size_t n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp + n, sizeof(stamp) - n, ".%03ldZ", at->tv_nsec / 1000000);
    buf_append_char(out, '{');
    put_json_member(out, "time", slice_str(stamp));
    put_json_member(out, "level", slice_str(level_names[level].json));
    put_json_member(out, "id", slice_str(id));
    put_json_member(out, "program", slice_str(config.program));
    put_json_member(out, "machine", slice_str(config.machine));
    put_json_member(out, "text", text);
    for (const struct log_field *f = fields; f && f->key; f++)
        put_json_member(out, f->key, f->value);
    buf_append(out, SLICE("}\n"));
}

static void build_text(struct buf *out, const struct timespec *at, enum log_level level, const char *id,
                       const struct log_field *fields, struct slice text)
{
    struct tm tm;
    localtime_r(&at->tv_sec, &tm);
    buf_printf(out, "%02d:%02d:%02d.%03ld %s %s: ", tm.tm_hour, tm.tm_min, tm.tm_sec, at->tv_nsec / 1000000,
               level_names[level].text, id);
    put_escaped(out, text, false, false);
    for (const struct log_field *f = fields; f && f->key; f++)
        put_text_field(out, f);
    buf_append_char(out, '\n');
}

void log_write_behind(bool on)
{
    if (on)
        log_writer_start();
    else
        log_writer_stop();
}

/* A log that lost lines says so, once it takes lines again. */
static void tell_dropped(void)
{
    uint64_t n = log_writer_dropped();
    if (n)
        log_event(LOG_WARN, "log.dropped", NULL, "%llu lines were dropped: the log was not read",
                  (unsigned long long)n);
}

void log_event(enum log_level level, const char *id, const struct log_field *fields, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    int saved_errno = errno;
    tell_dropped();
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    struct buf text = {0}, line = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    pthread_rwlock_rdlock(&config.lock);
    if (config.json)
        build_json(&line, &at, level, id, fields, buf_slice(&text));
    else
        build_text(&line, &at, level, id, fields, buf_slice(&text));
    if (!log_writer_take(config.fd, buf_slice(&line)))
        while (write(config.fd, line.mem, buf_len(&line)) < 0 && errno == EINTR)
            ;
    pthread_rwlock_unlock(&config.lock);
    buf_fini(&text);
    buf_fini(&line);
    errno = saved_errno;
}
