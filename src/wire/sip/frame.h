/*
 * sip/frame.h - where a message ends in a stream (RFC 3261 section 18.3, RFC 5626 sections 3.5.1 and 4.4.1).
 *
 * Content-Length is mandatory on streams here. A second length, even an equal one, bare CR or LF as line ends
 * inside the header part, and lengths beyond the limit are refused: two readers of one stream must never
 * disagree.
 *
 * A CRLF alone may be a PONG, or half of a PING: it stays in the input (MORE) until the next bytes tell. Who
 * has sent a PING and counts the answers sets await_pong: the next CRLF is then a PONG at once.
 */
#pragma once

#include "wire/sip/msg.h"

enum sip_frame {
    SIP_FRAME_MORE,    /* not complete yet */
    SIP_FRAME_MESSAGE, /* a message of *len bytes at the front */
    SIP_FRAME_PING,    /* CRLF CRLF before a message: answer with CRLF; *len bytes */
    SIP_FRAME_PONG,    /* one CRLF: *len bytes; nothing to do */
    SIP_FRAME_BAD,     /* close the connection; the flaw says why */
};
struct sip_framer {
    size_t scanned;   /* bytes of the header part already looked at */
    size_t expected;  /* whole length, once known */
    size_t line, row; /* where the current line and the current header row begin */
    size_t length;    /* Content-Length, when has_length */
    bool has_length;
    bool await_pong; /* set by the caller; cleared when the PONG has come */
};
/* Call with all unconsumed bytes, each time more came; {0} at first; it resets itself when a frame is
 * returned. */
enum sip_frame sip_frame_next(struct sip_framer *f, struct slice in, size_t *ret_len, enum sip_flaw *flaw);
