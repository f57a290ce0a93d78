#include "cmd/entente/wait.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t wait_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t wait_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

void wait_pause(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        continue;
}

int wait_look(struct invocation *v, struct slice path, bool last, int64_t *heard, struct answer *ret)
{
    enum { UNAVAILABLE = 503 }; /* it is ending, or busy */
    bool patient = !last && wait_now() - *heard < WAIT_GONE_MS;
    struct answer answer = {0};
    v->quiet = patient;
    int r = call_ask(v, "GET", path, NULL, &answer);
    v->quiet = false;
    if (r == EXIT_DONE) {
        *heard = wait_now();
        *ret = answer;
        return r;
    }
    if (patient && (r == EXIT_NO_DAEMON || answer.status == UNAVAILABLE))
        return WAIT_AGAIN;
    return r == EXIT_REFUSED ? call_refused(v, &answer) : r;
}

int64_t wait_limit(const struct invocation *v, int64_t otherwise)
{
    const char *text = v->options[OPTION_WAIT];
    return text && *text ? (int64_t)(strtod(text, NULL) * 1000) : otherwise;
}

bool wait_on_terminal(FILE *out)
{
    int fd = fileno(out);
    return fd >= 0 && isatty(fd);
}

struct slice wait_author(struct invocation *v)
{
    const char *names[] = {getenv("SUDO_USER"), getenv("USER")};
    for (size_t i = 0; i < 2; i++)
        if (names[i] && *names[i])
            return slice_str(names[i]);
    return arena_printf(&v->arena, "uid %u", (unsigned)getuid());
}

bool wait_ask(struct invocation *v, const char *question)
{
    char first = 0, c;
    if (!isatty(v->in) || !wait_on_terminal(v->err))
        return false;
    fprintf(v->err, "%s [y/N] ", question);
    fflush(v->err);
    while (read(v->in, &c, 1) == 1 && c != '\n')
        if (!first)
            first = c;
    return first == 'y' || first == 'Y';
}

struct slice wait_line(struct invocation *v, const char *prompt)
{
    struct buf text = {0};
    char c;
    fputs(prompt, v->err);
    fflush(v->err);
    while (buf_len(&text) < LINE_MAX && read(v->in, &c, 1) == 1 && c != '\n')
        buf_append_char(&text, c);
    struct slice line = arena_copy(&v->arena, slice_trim(buf_slice(&text)));
    buf_fini(&text);
    return line;
}

void live_begin(struct live *l)
{
    if (l->lines)
        fprintf(l->out, "\033[%zuA\r\033[J", l->lines);
    l->lines = 0;
}

/* Cut at the terminal's width: a line that wraps could not be drawn over. */
void live_line(struct live *l, struct slice text)
{
    struct winsize size = {0};
    size_t wide = ioctl(fileno(l->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79,
           n = 0;
    for (size_t seen = 0; n < text.n; n++)
        if (((unsigned char)text.p[n] & 0xc0) != 0x80 && seen++ == wide)
            break;
    call_put(l->out, slice_head(text, n));
    fputc('\n', l->out);
    l->lines++;
}
