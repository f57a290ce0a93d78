#include "wire/sip/frame.h"

#include <stdlib.h>

#include "ground/base/mem.h"

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Fed one byte at a time until it says something else than MORE, or all is there. */
static enum sip_frame slowly(struct slice in, size_t *ret_len, enum sip_flaw *flaw)
{
    struct sip_framer f = {0};
    for (size_t n = 1; n <= in.n; n++) {
        enum sip_frame frame = sip_frame_next(&f, slice_head(in, n), ret_len, flaw);
        if (frame != SIP_FRAME_MORE)
            return frame;
    }
    return SIP_FRAME_MORE;
}

/* The parser sees in a frame the same message that the framer saw. */
static void check_parsed(struct slice frame)
{
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    if (sip_msg_parse(frame, &a, &m, &flaw) == 0)
        must(slice_eq(m.text, frame) && sip_msg_header(&m, SIP_H_CONTENT_LENGTH));
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_mem(data, size);
    struct sip_framer f = {0};
    enum sip_frame frame = SIP_FRAME_MESSAGE;
    while (in.n && frame != SIP_FRAME_MORE && frame != SIP_FRAME_BAD) {
        size_t len = 0, slow_len = 0;
        enum sip_flaw flaw = SIP_FLAW_NONE, slow_flaw = SIP_FLAW_NONE;
        frame = sip_frame_next(&f, in, &len, &flaw);
        must(frame == slowly(in, &slow_len, &slow_flaw) && len == slow_len && flaw == slow_flaw);
        must(len <= in.n && (frame == SIP_FRAME_BAD) == (flaw != SIP_FLAW_NONE));
        if (frame == SIP_FRAME_MESSAGE)
            check_parsed(slice_head(in, len));
        in = slice_from(in, len);
    }
    return 0;
}
