#include "cmd/entente/file.h"

#include "cmd/entente/call.h"
#include "ground/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* 0 or negative errno. */
static int read_all(int fd, size_t max, struct buf *out)
{
    enum { STEP = 65536 };
    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, STEP), STEP);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            buf_commit(out, (size_t)n);
        if (buf_len(out) > max)
            return -EFBIG;
    }
}

struct slice file_pem(struct slice text)
{
    size_t at = slice_search(text, SLICE("-----BEGIN "));
    if (at == SIZE_MAX)
        return SLICE_NONE;
    for (size_t i = at; i < text.n; i++)
        if (!text.p[i] || (unsigned char)text.p[i] >= 0x80)
            return SLICE_NONE;
    return slice_from(text, at);
}

static int read_path(struct invocation *v, const char *path, size_t max, struct buf *out)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? v->in : open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : read_all(fd, max, out);
    if (fd >= 0 && !standard)
        close(fd);
    if (r == 0)
        return EXIT_DONE;
    return call_fail(v, "file.unreadable", "cannot read %s: %s", standard ? "standard input" : path,
                     strerror(-r));
}

int file_read(struct invocation *v, const char *path, struct buf *out)
{
    return read_path(v, path, FILE_MAX, out);
}

static int write_all(int fd, struct slice text)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            text = slice_from(text, (size_t)n);
    }
    return 0;
}

static int write_beside(char *beside, const char *path, struct slice text, unsigned mode)
{
    int fd = mkstemp(beside), r;
    if (fd < 0)
        return -errno;
    r = fchmod(fd, mode) < 0 ? -errno : write_all(fd, text);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(beside, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(beside);
    return r;
}

int file_write(struct invocation *v, const char *path, struct slice text, unsigned mode)
{
    char *beside = arena_cstr(&v->arena, arena_printf(&v->arena, "%s.XXXXXX", path));
    int r = write_beside(beside, path, text, mode);
    return r == 0 ? EXIT_DONE : call_fail(v, "file.unwritable", "cannot write %s: %s", path, strerror(-r));
}

/* --- secrets --- */
void secret_fini(struct buf *secret)
{
    if (secret->mem)
        mem_wipe(secret->mem, secret->cap);
    buf_fini(secret);
}

/* One line, byte by byte: what stands behind it is not ours. */
static int read_line(int fd, struct buf *out)
{
    char c;
    ssize_t n;
    buf_reserve(out, SECRET_MAX + 1); /* it is never moved: no copy is left behind */
    while ((n = read(fd, &c, 1)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (c == '\n')
            break;
        if (buf_len(out) == SECRET_MAX)
            return -E2BIG;
        buf_append_char(out, c);
    }
    if (buf_len(out) && out->mem[out->end - 1] == '\r')
        out->end--;
    return 0;
}

static int read_hidden(struct invocation *v, const char *prompt, const char *what, struct buf *out)
{
    struct termios before, hidden;
    int r = tcgetattr(v->in, &before) < 0 ? -errno : 0;
    if (r < 0)
        return r;
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG); /* a signal would leave the terminal without echo */
    tcsetattr(v->in, TCSAFLUSH, &hidden);
    fprintf(v->err, "%s %s: ", prompt, what);
    fflush(v->err);
    r = read_line(v->in, out);
    tcsetattr(v->in, TCSAFLUSH, &before);
    fputc('\n', v->err);
    if (r == 0 && slice_find(buf_slice(out), (char)before.c_cc[VINTR]) != SIZE_MAX)
        r = -EINTR;
    return r;
}

static int read_twice(struct invocation *v, const char *what, struct buf *out)
{
    struct buf again = {0};
    int r = read_hidden(v, "new", what, out);
    if (r == 0)
        r = read_hidden(v, "again: new", what, &again);
    if (r == 0 && slice_cmp(buf_slice(out), buf_slice(&again)) != 0)
        r = -EILSEQ;
    secret_fini(&again);
    return r;
}

static int secret_said(struct invocation *v, int r, const char *what, const struct buf *out)
{
    if (r == 0 && buf_len(out))
        return EXIT_DONE;
    if (r == 0)
        return call_fail(v, "secret.empty", "the %s is empty", what);
    if (r == -EILSEQ)
        return call_fail(v, "secret.differs", "the two %ss differ", what);
    if (r == -E2BIG)
        return call_fail(v, "secret.long", "the %s is longer than %d bytes", what, SECRET_MAX);
    return call_fail(v, "file.unreadable", "cannot read the %s: %s", what, strerror(-r));
}

int secret_read(struct invocation *v, const char *what, struct buf *out)
{
    const char *path = v->options[OPTION_PASSWORD_FILE];
    int r, fd = path && strcmp(path, "-") != 0 ? open(path, O_RDONLY | O_CLOEXEC) : v->in;
    if (fd < 0)
        return call_fail(v, "file.unreadable", "cannot read %s: %s", path, strerror(errno));
    r = !path && isatty(fd) ? read_twice(v, what, out) : read_line(fd, out);
    if (fd != v->in)
        close(fd);
    return secret_said(v, r, what, out);
}

int passphrase_read(struct invocation *v, bool twice, struct buf *out)
{
    static const char what[] = "passphrase";
    const char *path = v->options[OPTION_PASSPHRASE_FILE];
    int r, fd = path && strcmp(path, "-") != 0 ? open(path, O_RDONLY | O_CLOEXEC) : v->in;
    if (fd < 0)
        return call_fail(v, "file.unreadable", "cannot read %s: %s", path, strerror(errno));
    if (!path && !isatty(fd))
        return call_fail(v, "secret.missing", "a passphrase is needed: --passphrase-file FILE");
    r = path ? read_line(fd, out) : twice ? read_twice(v, what, out) : read_hidden(v, "the", what, out);
    if (fd != v->in)
        close(fd);
    return secret_said(v, r, what, out);
}
