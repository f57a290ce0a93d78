/*
 * sip/write.h - messages written out: an original with a short list of edits, or a response to a request.
 *
 * A message is forwarded by writing its text with edits into the output buffer: one pass, one copy. Edits
 * refer to rows of the message they are for; values must live until the message is written. A row may have
 * one edit.
 */
#pragma once

#include "ground/base/buf.h"
#include "wire/sip/msg.h"

enum { SIP_MAX_EDITS = 64 };
enum sip_edit_kind { SIP_EDIT_TOP, SIP_EDIT_END, SIP_EDIT_SET, SIP_EDIT_REMOVE };
struct sip_edit {
    enum sip_edit_kind kind;
    const struct sip_header *row; /* SET, REMOVE */
    const char *name;             /* TOP, END */
    struct slice value;
};
struct sip_edits {
    struct slice uri; /* new Request-URI; p NULL: as it was */
    bool replace_body;
    /* with replace_body; Content-Length follows by itself, and is added where the message had none (a
     * datagram that goes on over a stream: replace_body with its own body) */
    struct slice body;
    bool overflow; /* more than cap were asked for: the message must not be sent (500) */
    uint8_t n, cap;
    struct sip_edit
        items[SIP_MAX_EDITS]; /* a copy that is kept may end after `cap` of them: sip_edits_copy */
};
static inline void sip_edits_init(struct sip_edits *e)
{
    e->uri = SLICE_NONE;
    e->replace_body = false;
    e->n = 0;
    e->cap = SIP_MAX_EDITS;
    e->overflow = false;
}
/* A copy in the arena with room for `more` edits. */
struct sip_edits *sip_edits_copy(const struct sip_edits *e, size_t more, struct arena *a);
/* A row above all others. Of several, the one added last stands topmost. */
void sip_edit_top(struct sip_edits *e, const char *name, struct slice value);
/* A row below all others. */
void sip_edit_end(struct sip_edits *e, const char *name, struct slice value);
void sip_edit_set(struct sip_edits *e, const struct sip_header *row, struct slice value);
void sip_edit_remove(struct sip_edits *e, const struct sip_header *row);
void sip_edit_remove_all(struct sip_edits *e, const struct sip_msg *m, enum sip_header_id id);
/* Drops the first value of a header: the row, or what stands before its first comma. Called again, it drops
 * the next one. */
void sip_edit_pop_value(struct sip_edits *e, const struct sip_msg *m, enum sip_header_id id);
/* Replaces the first value of a header by `value`, keeping what follows the comma in that row. */
void sip_edit_set_first(struct sip_edits *e, struct arena *a, const struct sip_msg *m, enum sip_header_id id,
                        struct slice value);
void sip_msg_write(const struct sip_msg *m, const struct sip_edits *e, struct buf *out);

/*
 * A response to a request (8.2.6): all Vias, From, To (with to_tag added when it has none and to_tag is
 * given), Call-ID, CSeq and Timestamp copied; Record-Route copied when the status makes a dialog (101..299)
 * and the request has any. `extra`: more rows, each ended by CRLF, or empty. reason empty: the RFC's phrase.
 * top_via: the topmost Via value to write instead of the received one (received and rport filled in), or
 * empty.
 */
struct sip_response {
    unsigned status;
    struct slice reason, to_tag, top_via, extra;
    struct slice content_type, body;
};
void sip_response_write(const struct sip_msg *request, const struct sip_response *r, struct buf *out);

/* The ACK for a non-2xx final response (17.1.1.3): `request` is the INVITE as it was sent (its top Via ours).
 */
void sip_ack_write(const struct sip_msg *request, const struct sip_msg *response, struct buf *out);
/* The CANCEL for an INVITE as it was sent (9.1). reason_header: the value of a Reason row (RFC 3326), or
 * empty. */
void sip_cancel_write(const struct sip_msg *request, struct slice reason_header, struct buf *out);
