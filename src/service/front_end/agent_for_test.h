/*
 * front_end/agent_for_test.h - a SIP user agent of the tests: one blocking socket (UDP, TCP, or TLS over
 * TCP), messages in and out, digest answers. Include ground/base/test.h before it.
 */
#pragma once

#include "ground/base/mem.h"
#include "ground/crypto/tls.h"
#include "ground/net/addr.h"
#include "wire/sip/auth.h"
#include "wire/sip/frame.h"
#include "wire/sip/value.h"
#include "wire/sip/write.h"

#include <poll.h>
#include <stdarg.h>
#include <unistd.h>

enum { AGENT_WAIT_MS = 20000 };

struct agent {
    const char *user, *password; /* of home.test */
    const char *name;            /* in credentials, when it is not the user */
    int fd;
    bool udp;
    struct tls *tls;
    struct buf in, cipher_out;
    struct sip_framer framer;
    struct arena arena;
    struct sip_msg m; /* what came last */
    char *text;
    unsigned cseq;
    char contact[128];
    /* the last challenge, and what was answered */
    char nonce[128];
    unsigned nc;
    enum sip_digest digest;
    char proof[512]; /* header row */
};

static inline bool agent_readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, AGENT_WAIT_MS) == 1;
}

static inline void agent_flush(struct agent *a)
{
    struct slice out = buf_slice(&a->cipher_out);
    CHECK(write(a->fd, out.p, out.n) == (ssize_t)out.n);
    buf_clear(&a->cipher_out, 65536);
}

static inline void agent_send(struct agent *a, struct slice text)
{
    if (a->tls) {
        CHECK_INT(tls_write(a->tls, text, &a->cipher_out), TLS_OK);
        agent_flush(a);
        return;
    }
    CHECK(write(a->fd, text.p, text.n) == (ssize_t)text.n);
}

/* More bytes into a->in. False: nothing more comes. */
static inline bool agent_read(struct agent *a)
{
    char bytes[65536];
    if (!agent_readable(a->fd))
        return false;
    ssize_t n = read(a->fd, bytes, sizeof(bytes));
    if (n <= 0)
        return false;
    if (!a->tls) {
        buf_append_mem(&a->in, bytes, (size_t)n);
        return true;
    }
    enum tls_result r = tls_feed(a->tls, slice_mem(bytes, (size_t)n), &a->in, &a->cipher_out);
    if (buf_len(&a->cipher_out))
        agent_flush(a);
    return r == TLS_OK;
}

/* Handshake; as client when server_name is given. */
static inline bool agent_start_tls(struct agent *a, struct tls_ctx *ctx, const char *server_name)
{
    a->tls = tls_new(ctx, slice_str(server_name));
    if (server_name) {
        tls_start(a->tls, &a->cipher_out);
        agent_flush(a);
    }
    while (!tls_is_up(a->tls))
        if (!agent_read(a))
            return false;
    return true;
}

static inline bool agent_connect(struct agent *a, const struct net_addr *to, bool udp)
{
    struct sockaddr_in me;
    socklen_t n = sizeof(me);
    a->udp = udp;
    a->fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (connect(a->fd, &to->sa, net_addr_len(to)) < 0)
        return false;
    getsockname(a->fd, (struct sockaddr *)&me, &n);
    snprintf(a->contact, sizeof(a->contact), "sip:%s@127.0.0.1:%u;transport=%s;maddr=192.0.2.1",
             a->user ? a->user : "x", ntohs(me.sin_port), udp ? "udp" : "tcp");
    return true;
}

static inline void agent_hang_up(struct agent *a)
{
    if (a->fd > 0)
        close(a->fd);
    a->fd = -1;
    buf_fini(&a->in);
    buf_fini(&a->cipher_out);
    a->framer = (struct sip_framer){0};
    tls_free(a->tls);
    a->tls = NULL;
}

static inline void agent_fini(struct agent *a)
{
    agent_hang_up(a);
    arena_fini(&a->arena);
    mem_free(a->text);
    a->text = NULL;
}

static inline bool agent_take(struct agent *a, size_t len)
{
    enum sip_flaw flaw;
    mem_free(a->text);
    a->text = slice_dup(slice_head(buf_slice(&a->in), len));
    buf_consume(&a->in, len);
    arena_reset(&a->arena);
    return sip_msg_parse(slice_str(a->text), &a->arena, &a->m, &flaw) == 0;
}

static inline bool agent_receive(struct agent *a)
{
    for (;;) {
        size_t len;
        enum sip_flaw flaw;
        if (a->udp) {
            buf_clear(&a->in, 65536);
            return agent_read(a) && agent_take(a, buf_len(&a->in));
        }
        enum sip_frame f = sip_frame_next(&a->framer, buf_slice(&a->in), &len, &flaw);
        if (f == SIP_FRAME_MESSAGE)
            return agent_take(a, len);
        if (f != SIP_FRAME_MORE || !agent_read(a))
            return false;
    }
}

/* A response with this status; 100 is passed over. */
static inline bool agent_got(struct agent *a, unsigned status)
{
    do {
        if (!agent_receive(a)) {
            TEST_DIAG("nothing came to %s, %u was expected", a->user, status);
            return false;
        }
    } while (!a->m.is_request && a->m.status == 100);
    if (a->m.is_request || a->m.status != status)
        TEST_DIAG("'" SLICE_FMT "' came to %s, %u was expected", SLICE_ARG(a->m.start_line), a->user, status);
    return !a->m.is_request && a->m.status == status;
}

static inline bool agent_got_request(struct agent *a, const char *method)
{
    bool ok = agent_receive(a) && a->m.is_request && slice_eq(a->m.method_name, slice_str(method));
    if (!ok)
        TEST_DIAG("no %s came to %s but '" SLICE_FMT "'", method, a->user, SLICE_ARG(a->m.start_line));
    return ok;
}

/* The refusal's id in the answer. */
static inline bool agent_got_refusal(struct agent *a, unsigned status, const char *id)
{
    if (!agent_got(a, status))
        return false;
    bool ok = slice_search(sip_msg_value(&a->m, SIP_H_REASON), slice_str(id)) != SIZE_MAX;
    if (!ok)
        TEST_DIAG("'" SLICE_FMT "' is not %s", SLICE_ARG(sip_msg_value(&a->m, SIP_H_REASON)), id);
    return ok;
}

/* more: header rows, each with CRLF. */
struct outgoing {
    const char *method, *uri, *from, *from_tag, *to, *to_tag, *call, *more, *body;
    unsigned cseq; /* 0: the next */
};

static inline void agent_request(struct agent *a, const struct outgoing *o)
{
    static unsigned branches;
    struct buf b = {0};
    char from[64];
    snprintf(from, sizeof(from), "sip:%s@home.test", a->user);
    unsigned cseq = o->cseq ? o->cseq : ++a->cseq;
    buf_printf(
        &b,
        "%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:5060;rport;branch=z9hG4bKt%u\r\nMax-Forwards: 70\r\n"
        "User-Agent: an agent of the tests, long enough for a challenge to be no more than 1.5 times a "
        "request "
        "over UDP: it needs room for two of them, which together are four hundred bytes or nearly so\r\n"
        "From: <%s>;tag=%s\r\nTo: <%s>%s%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n%sContent-Length: "
        "%zu\r\n\r\n%s",
        o->method, o->uri,
        a->udp   ? "UDP"
        : a->tls ? "TLS"
                 : "TCP",
        ++branches, o->from ? o->from : from, o->from_tag ? o->from_tag : "a1", o->to ? o->to : o->uri,
        o->to_tag ? ";tag=" : "", o->to_tag ? o->to_tag : "", o->call, cseq, o->method,
        o->more ? o->more : "", o->body ? strlen(o->body) : 0, o->body ? o->body : "");
    agent_send(a, buf_slice(&b));
    buf_fini(&b);
}

static inline void agent_respond(struct agent *a, unsigned status, const char *tag, const char *rows)
{
    struct buf out = {0};
    sip_response_write(&a->m,
                       &(struct sip_response){
                           .status = status, .to_tag = slice_str(tag), .extra = slice_str(rows ? rows : "")},
                       &out);
    agent_send(a, buf_slice(&out));
    buf_fini(&out);
}

/* Takes the challenge of the answer that came last: the first one, or that of this algorithm. */
static inline bool agent_take_challenge(struct agent *a, const char *algorithm)
{
    enum sip_header_id id = a->m.status == 401 ? SIP_H_WWW_AUTHENTICATE : SIP_H_PROXY_AUTHENTICATE;
    for (const struct sip_header *h = sip_msg_header(&a->m, id); h; h = sip_msg_next(&a->m, h)) {
        struct sip_challenge c;
        if (sip_challenge_parse(h->value, &c) < 0 ||
            (algorithm && !slice_caseeq(slice_str(sip_digest_name(c.digest)), slice_str(algorithm))))
            continue;
        snprintf(a->nonce, sizeof(a->nonce), SLICE_FMT, SLICE_ARG(c.nonce));
        CHECK_STR(c.realm, "home.test");
        a->digest = c.digest;
        a->nc = 0;
        return true;
    }
    TEST_DIAG("no challenge of %s", algorithm ? algorithm : "any algorithm");
    return false;
}

/* The row that answers the challenge for a request, with the next count; qop NULL: without one. */
static inline const char *agent_proof(struct agent *a, const char *method, const char *uri, const char *qop)
{
    char ha1[SIP_HA1_MAX], response[SIP_HA1_MAX], nc[16], rest[128] = "";
    snprintf(nc, sizeof(nc), "%08x", ++a->nc);
    struct sip_credentials c = {.username = slice_str(a->name ? a->name : a->user),
                                .realm = SLICE("home.test"),
                                .nonce = slice_str(a->nonce),
                                .uri = slice_str(uri),
                                .cnonce = SLICE("c0ffee"),
                                .nc = slice_str(nc),
                                .qop = slice_str(qop),
                                .has_qop = qop != NULL,
                                .digest = a->digest,
                                .nonce_count = a->nc};
    sip_digest_ha1(a->digest, c.username, c.realm, slice_str(a->password), ha1);
    sip_digest_response(&c, slice_str(ha1), slice_str(method), SLICE_NONE, response);
    if (qop)
        snprintf(rest, sizeof(rest), ", qop=%s, cnonce=\"c0ffee\", nc=%s", qop, nc);
    snprintf(a->proof, sizeof(a->proof),
             "%s: Digest username=\"%s\", realm=\"home.test\", nonce=\"%s\", uri=\"%s\", response=\"%s\", "
             "algorithm=%s%s\r\n",
             strcmp(method, "REGISTER") == 0 ? "Authorization" : "Proxy-Authorization",
             a->name ? a->name : a->user, a->nonce, uri, response, sip_digest_name(a->digest), rest);
    return a->proof;
}
