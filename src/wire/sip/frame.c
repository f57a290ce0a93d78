#include "wire/sip/frame.h"

static enum sip_frame bad(struct sip_framer *f, enum sip_flaw why, enum sip_flaw *flaw)
{
    *f = (struct sip_framer){0};
    *flaw = why;
    return SIP_FRAME_BAD;
}

static enum sip_frame done(struct sip_framer *f, enum sip_frame frame, size_t len, size_t *ret_len)
{
    *f = (struct sip_framer){.await_pong = f->await_pong && frame != SIP_FRAME_PONG};
    *ret_len = len;
    return frame;
}

/* Line breaks in front of a message. The caller has seen in.p[0] to be CR. */
static enum sip_frame keep_alive(struct sip_framer *f, struct slice in, size_t *ret_len, enum sip_flaw *flaw)
{
    if (in.n < 2)
        return SIP_FRAME_MORE;
    if (in.p[1] != '\n')
        return bad(f, SIP_FLAW_CONTROL, flaw);
    if (f->await_pong)
        return done(f, SIP_FRAME_PONG, 2, ret_len);
    if (in.n == 2 || (in.n == 3 && in.p[2] == '\r'))
        return SIP_FRAME_MORE;
    if (in.p[2] == '\r' && in.p[3] == '\n')
        return done(f, SIP_FRAME_PING, 4, ret_len);
    return done(f, SIP_FRAME_PONG, 2, ret_len);
}

/* A header row is complete: is it a length, and the only one? */
static bool note_length(struct sip_framer *f, struct slice row)
{
    struct slice name, value;
    char c = (char)(row.p[0] | 0x20);
    if ((c != 'c' && c != 'l') || !slice_cut(row, ':', &name, &value) ||
        sip_header_id_parse(slice_trim(name)) != SIP_H_CONTENT_LENGTH)
        return true;
    uint64_t v;
    if (slice_u64(slice_trim(value), SIP_MAX_MESSAGE, &v) != 0 || f->has_length)
        return false;
    f->has_length = true;
    f->length = (size_t)v;
    return true;
}

/* A line [f->line, end) with its line feed has come. NONE to go on; *ret_last at the empty line. */
static enum sip_flaw take_line(struct sip_framer *f, struct slice in, size_t end, bool *ret_last)
{
    const char *line = in.p + f->line;
    size_t n = end - f->line;
    if (n < 2 || line[n - 2] != '\r')
        return f->line == 0 ? SIP_FLAW_START_LINE : SIP_FLAW_HEADER;
    if (memchr(line, '\r', n - 2))
        return f->line == 0 ? SIP_FLAW_START_LINE : SIP_FLAW_CONTROL;
    /* a row ends where a line begins that does not continue it; the first "row" is the start line */
    if (f->line > 0 && line[0] != ' ' && line[0] != '\t') {
        if (f->row > 0 && !note_length(f, (struct slice){in.p + f->row, f->line - f->row}))
            return SIP_FLAW_LENGTH;
        f->row = f->line;
    } else if (f->line > 0 && slice_trim((struct slice){line, n - 2}).n == 0)
        return SIP_FLAW_HEADER; /* who trims lines would see the end of the header part here */
    *ret_last = n == 2;
    f->line = end;
    return SIP_FLAW_NONE;
}

/* Sets f->expected once the header part is whole. */
static enum sip_flaw scan_header(struct sip_framer *f, struct slice in)
{
    while (f->expected == 0) {
        const char *lf = memchr(in.p + f->scanned, '\n', in.n - f->scanned);
        size_t end = lf ? (size_t)(lf - in.p) + 1 : in.n;
        f->scanned = end;
        if (end > SIP_MAX_MESSAGE || (f->line == 0 && end > SIP_MAX_START_LINE + 2))
            return SIP_FLAW_TOO_LARGE;
        if (!lf)
            return SIP_FLAW_NONE;
        bool last = false;
        enum sip_flaw flaw = take_line(f, in, end, &last);
        if (flaw)
            return flaw;
        if (!last)
            continue;
        if (!f->has_length)
            return SIP_FLAW_LENGTH;
        if (f->length > SIP_MAX_MESSAGE - end)
            return SIP_FLAW_TOO_LARGE;
        f->expected = end + f->length;
    }
    return SIP_FLAW_NONE;
}

enum sip_frame sip_frame_next(struct sip_framer *f, struct slice in, size_t *ret_len, enum sip_flaw *flaw)
{
    if (in.n == 0)
        return SIP_FRAME_MORE;
    if (in.p[0] == '\r')
        return keep_alive(f, in, ret_len, flaw);
    enum sip_flaw why = in.n > f->scanned ? scan_header(f, in) : SIP_FLAW_NONE;
    if (why)
        return bad(f, why, flaw);
    if (f->expected == 0 || in.n < f->expected)
        return SIP_FRAME_MORE;
    return done(f, SIP_FRAME_MESSAGE, f->expected, ret_len);
}
