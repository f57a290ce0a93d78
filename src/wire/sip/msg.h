/*
 * sip/msg.h - SIP messages (RFC 3261 section 7): parse once into an index of slices, decode values when
 * asked.
 *
 * A sip_msg points into the text it was parsed from (and into the arena, where a folded value had to be put
 * on one line): keep both alive, free nothing. Header names are known by id whether long, compact (7.3.3) or
 * in any case. A value is trimmed and has no line breaks.
 */
#pragma once

#include "ground/base/arena.h"
#include "wire/sip/value.h"

enum {
    SIP_MAX_MESSAGE = 65535, /* start line, headers and body together */
    SIP_MAX_HEADERS = 256,   /* header rows */
    SIP_MAX_VALUES = 128,    /* values of one header, over all its rows */
    SIP_MAX_START_LINE = 8192,
};

#define SIP_METHODS(X)                                                                                       \
    X(INVITE)                                                                                                \
    X(ACK)                                                                                                   \
    X(BYE)                                                                                                   \
    X(CANCEL)                                                                                                \
    X(REGISTER)                                                                                              \
    X(OPTIONS)                                                                                               \
    X(MESSAGE)                                                                                               \
    X(SUBSCRIBE)                                                                                             \
    X(NOTIFY)                                                                                                \
    X(INFO)                                                                                                  \
    X(REFER)                                                                                                 \
    X(UPDATE)                                                                                                \
    X(PRACK)                                                                                                 \
    X(PUBLISH)                                                                                               \
    X(SERVICE)                                                                                               \
    X(BENOTIFY)
#define SIP_METHOD_ENUM(name) SIP_##name,
/* Method names are case-sensitive (7.1); any other token is SIP_METHOD_OTHER and passes. */
enum sip_method { SIP_METHODS(SIP_METHOD_ENUM) SIP_METHOD_OTHER };

/* id, name as we write it, compact form or "" */
#define SIP_HEADERS(X)                                                                                       \
    X(VIA, "Via", "v")                                                                                       \
    X(FROM, "From", "f")                                                                                     \
    X(TO, "To", "t")                                                                                         \
    X(CALL_ID, "Call-ID", "i")                                                                               \
    X(CSEQ, "CSeq", "")                                                                                      \
    X(CONTACT, "Contact", "m")                                                                               \
    X(MAX_FORWARDS, "Max-Forwards", "")                                                                      \
    X(MAX_BREADTH, "Max-Breadth", "")                                                                        \
    X(ROUTE, "Route", "")                                                                                    \
    X(RECORD_ROUTE, "Record-Route", "")                                                                      \
    X(CONTENT_LENGTH, "Content-Length", "l")                                                                 \
    X(CONTENT_TYPE, "Content-Type", "c")                                                                     \
    X(EXPIRES, "Expires", "")                                                                                \
    X(MIN_EXPIRES, "Min-Expires", "")                                                                        \
    X(SUPPORTED, "Supported", "k")                                                                           \
    X(REQUIRE, "Require", "")                                                                                \
    X(PROXY_REQUIRE, "Proxy-Require", "")                                                                    \
    X(UNSUPPORTED, "Unsupported", "")                                                                        \
    X(ALLOW, "Allow", "")                                                                                    \
    X(EVENT, "Event", "o")                                                                                   \
    X(AUTHORIZATION, "Authorization", "")                                                                    \
    X(PROXY_AUTHORIZATION, "Proxy-Authorization", "")                                                        \
    X(WWW_AUTHENTICATE, "WWW-Authenticate", "")                                                              \
    X(PROXY_AUTHENTICATE, "Proxy-Authenticate", "")                                                          \
    X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", "")                                                        \
    X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", "")                                                      \
    X(PRIVACY, "Privacy", "")                                                                                \
    X(RETRY_AFTER, "Retry-After", "")                                                                        \
    X(REASON, "Reason", "")                                                                                  \
    X(WARNING, "Warning", "")                                                                                \
    X(TIMESTAMP, "Timestamp", "")                                                                            \
    X(REFERRED_BY, "Referred-By", "b")                                                                       \
    X(REFER_TO, "Refer-To", "r")                                                                             \
    X(PATH, "Path", "")                                                                                      \
    X(DATE, "Date", "")                                                                                      \
    X(SUBJECT, "Subject", "s")                                                                               \
    X(CONTENT_ENCODING, "Content-Encoding", "e")                                                             \
    X(ALLOW_EVENTS, "Allow-Events", "u")                                                                     \
    X(MS_DIAGNOSTICS, "ms-diagnostics", "")                                                                  \
    X(MS_EDGE_PROXY_MESSAGE_TRUST, "ms-edge-proxy-message-trust", "")
#define SIP_HEADER_ENUM(id, name, compact) SIP_H_##id,
enum sip_header_id { SIP_HEADERS(SIP_HEADER_ENUM) SIP_H_OTHER, SIP_H_COUNT = SIP_H_OTHER };

struct sip_header {
    enum sip_header_id id;
    struct slice name;  /* as received */
    struct slice value; /* trimmed, unfolded */
    struct slice line;  /* whole row(s) as received, with the CRLF at its end: what writing copies */
};

struct sip_msg {
    struct slice text; /* the whole message */
    bool is_request;
    /* request */
    enum sip_method method;
    struct slice method_name;
    struct slice uri;
    /* response */
    unsigned status; /* 100..699 */
    struct slice reason;
    struct slice start_line; /* without CRLF */
    struct sip_header *headers;
    size_t n_headers;
    uint16_t first[SIP_H_COUNT]; /* index + 1 of the first row of each known header; 0: absent */
    uint32_t cseq;
    enum sip_method cseq_method;
    struct slice cseq_method_name;
    struct slice call_id;
    struct slice from_tag, to_tag; /* empty when absent */
    struct slice branch;           /* of the topmost Via; empty when absent */
    struct slice body;
    /* Decoded on the way, as they were checked; zero where the flaw was theirs. */
    struct sip_via via; /* topmost */
    struct sip_addr from, to;
};

/* Why a message was not understood: a stable id and, for requests that can be answered, a status. */
#define SIP_FLAWS(X)                                                                                         \
    X(NONE, 0, "")                                                                                           \
    X(START_LINE, 400, "start line is not SIP")                                                              \
    X(VERSION, 505, "SIP version is not 2.0")                                                                \
    X(HEADER, 400, "a header line has no name or colon")                                                     \
    X(TOO_MANY_HEADERS, 513, "more headers than allowed")                                                    \
    X(TOO_LARGE, 513, "message larger than allowed")                                                         \
    X(MISSING, 400, "a mandatory header is missing")                                                         \
    X(REPEATED, 400, "a header that may stand only once is repeated")                                        \
    X(CSEQ, 400, "CSeq is malformed or does not match the method")                                           \
    X(VIA, 400, "the topmost Via is malformed")                                                              \
    X(ADDRESS, 400, "From or To is malformed")                                                               \
    X(LENGTH, 400, "Content-Length is malformed, conflicting or larger than the message")                    \
    X(MAX_FORWARDS, 400, "Max-Forwards is malformed")                                                        \
    X(CONTROL, 400, "a control character where none may be")
#define SIP_FLAW_ENUM(id, status, text) SIP_FLAW_##id,
enum sip_flaw { SIP_FLAWS(SIP_FLAW_ENUM) SIP_FLAW_COUNT };
const char *sip_flaw_id(enum sip_flaw f);   /* "start-line" */
const char *sip_flaw_text(enum sip_flaw f); /* the sentence */
unsigned sip_flaw_status(enum sip_flaw f);

/*
 * Parses and validates what every element needs (8.2.2, 16.3 step 1): start line, all header rows, CSeq,
 * Call-ID, From and To with tags, topmost Via, Content-Length. Bytes behind Content-Length are ignored
 * (datagrams, 18.3); without Content-Length the body is the rest. 0, or -EBADMSG with *flaw set: then `ret`
 * holds what could be read, so that a request with a usable top Via, From, To, Call-ID and CSeq can still be
 * answered (sip_msg_answerable; an answer is well-formed itself, or there is none). After START_LINE that is
 * a request whose line is wrong by white space or <> only; its URI is empty.
 */
int sip_msg_parse(struct slice text, struct arena *a, struct sip_msg *ret, enum sip_flaw *flaw);
bool sip_msg_answerable(const struct sip_msg *m);
/* A copy with its text in the arena, for who keeps it longer than it stands where it was received; cheaper
 * than parsing again. m was parsed without a flaw. */
void sip_msg_copy(const struct sip_msg *m, struct arena *a, struct sip_msg *ret);

/* First row of a header, NULL when absent; the next row with the same id behind `h`. */
static inline const struct sip_header *sip_msg_header(const struct sip_msg *m, enum sip_header_id id)
{
    unsigned i = (unsigned)id < SIP_H_COUNT ? m->first[id] : 0;
    return i ? &m->headers[i - 1] : NULL;
}
const struct sip_header *sip_msg_next(const struct sip_msg *m, const struct sip_header *h);
/* First row of a header known by name only (any case). */
const struct sip_header *sip_msg_named(const struct sip_msg *m, struct slice name);
/* Value of the first row, empty when absent. */
static inline struct slice sip_msg_value(const struct sip_msg *m, enum sip_header_id id)
{
    const struct sip_header *h = sip_msg_header(m, id);
    return h ? h->value : SLICE("");
}

/*
 * Walks the values of a header over all its rows, comma-joined ones one by one (7.3.1; commas in quotes and
 * <> do not count). Start with {0} but for msg and id: struct sip_values v = sip_values(m, SIP_H_ROUTE);
 */
struct sip_values {
    const struct sip_msg *msg;
    enum sip_header_id id;
    const struct sip_header *row; /* the row of the value last returned */
    struct slice rest;            /* what follows it in that row */
    size_t count;                 /* values returned; the walk ends at SIP_MAX_VALUES */
};
struct sip_values sip_values(const struct sip_msg *m, enum sip_header_id id);
bool sip_values_next(struct sip_values *v, struct slice *ret_value);
/* One step through a comma-joined list. */
bool sip_list_next(struct slice *rest, struct slice *ret_value);
/* Does a header of tokens (Require, Supported, …) name this token? ASCII case ignored. */
bool sip_msg_has_token(const struct sip_msg *m, enum sip_header_id id, struct slice token);

enum sip_method sip_method_parse(struct slice name);
const char *sip_method_name(enum sip_method m); /* "" for OTHER */
enum sip_header_id sip_header_id_parse(struct slice name);
const char *sip_header_name(enum sip_header_id id);
/* The RFC's reason phrase for a status, "" when there is none. */
const char *sip_reason_phrase(unsigned status);
bool sip_is_token(struct slice s);
