#include "wire/sip/msg.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"

/* Folded, quoted, comma-joined and compact: values that point into the text and values that stand elsewhere.
 */
static const char *const texts[] = {
    "INVITE sip:bob@biloxi.example:5070;lr SIP/2.0\r\n"
    "Via: SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bK1;rport;alias;maddr=192.0.2.9, SIP/2.0/UDP h2\r\n"
    "From: \"Al \\\"x\\\"\" <sip:al:pw@atlanta.example;user=ip?subject=a>;tag=1;x=\"y\"\r\n"
    "To: Bob\r\n <sips:bob@biloxi.example>\r\n  ;tag = 77\r\n"
    "i: 1@a\r\nCSeq: 7\r\n INVITE\r\nl: 4\r\nX-Empty:\r\nc: text/plain\r\n\r\nbodyrest",
    "SIP/2.0 200 OK\r\nv: SIP / 2.0 /\r\n UDP h;received=192.0.2.1;branch=z9\r\nf: <tel:+1-201>;tag=2\r\n"
    "t: sip:b@b\r\nCall-ID: x\r\nCSeq: 1 BYE\r\n\r\n",
    "OPTIONS urn:service:sos SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nFrom: sip:a@a;tag=3\r\nTo: sip:b@b\r\n"
    "Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n",
};

static void same_uri(const struct sip_uri *got, const struct sip_uri *want)
{
    CHECK_SLICE(got->text, want->text);
    CHECK_SLICE(got->user, want->user);
    CHECK_SLICE(got->password, want->password);
    CHECK_SLICE(got->host, want->host);
    CHECK_SLICE(got->params, want->params);
    CHECK_SLICE(got->headers, want->headers);
    CHECK(got->scheme == want->scheme && got->port == want->port && got->has_user == want->has_user);
}

static void same_addr(const struct sip_addr *got, const struct sip_addr *want)
{
    CHECK_SLICE(got->display, want->display);
    CHECK_SLICE(got->uri_text, want->uri_text);
    CHECK_SLICE(got->params, want->params);
    same_uri(&got->uri, &want->uri);
}

static void same_via(const struct sip_via *got, const struct sip_via *want)
{
    CHECK_SLICE(got->transport_name, want->transport_name);
    CHECK_SLICE(got->host, want->host);
    CHECK_SLICE(got->params, want->params);
    CHECK_SLICE(got->branch, want->branch);
    CHECK_SLICE(got->received, want->received);
    CHECK_SLICE(got->maddr, want->maddr);
    CHECK(got->port == want->port && got->has_rport == want->has_rport && got->has_alias == want->has_alias);
}

static void same_rows(const struct sip_msg *got, const struct sip_msg *want)
{
    CHECK_INT(got->n_headers, want->n_headers);
    for (size_t i = 0; i < want->n_headers; i++) {
        CHECK_INT(got->headers[i].id, want->headers[i].id);
        CHECK_SLICE(got->headers[i].name, want->headers[i].name);
        CHECK_SLICE(got->headers[i].value, want->headers[i].value);
        CHECK_SLICE(got->headers[i].line, want->headers[i].line);
    }
    CHECK(memcmp(got->first, want->first, sizeof(want->first)) == 0);
}

static void same(const struct sip_msg *got, const struct sip_msg *want)
{
    CHECK_SLICE(got->text, want->text);
    CHECK_SLICE(got->method_name, want->method_name);
    CHECK_SLICE(got->uri, want->uri);
    CHECK_SLICE(got->reason, want->reason);
    CHECK_SLICE(got->start_line, want->start_line);
    CHECK_SLICE(got->cseq_method_name, want->cseq_method_name);
    CHECK_SLICE(got->call_id, want->call_id);
    CHECK_SLICE(got->from_tag, want->from_tag);
    CHECK_SLICE(got->to_tag, want->to_tag);
    CHECK_SLICE(got->branch, want->branch);
    CHECK_SLICE(got->body, want->body);
    CHECK(got->status == want->status && got->cseq == want->cseq && got->method == want->method);
    same_rows(got, want);
    same_via(&got->via, &want->via);
    same_addr(&got->from, &want->from);
    same_addr(&got->to, &want->to);
}

/* The original is gone when the copy is looked at. */
TEST(copy_stands_alone)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slice text = slice_str(texts[i]);
        char *gone = slice_dup(text);
        struct arena scratch = {0}, kept = {0}, own = {0};
        struct sip_msg m, copy, fresh;
        enum sip_flaw flaw;
        CHECK_INT(sip_msg_parse(slice_mem(gone, text.n), &scratch, &m, &flaw), 0);
        sip_msg_copy(&m, &kept, &copy);
        memset(gone, '#', text.n);
        mem_free(gone);
        arena_fini(&scratch);
        CHECK_INT(sip_msg_parse(text, &own, &fresh, &flaw), 0);
        same(&copy, &fresh);
        arena_fini(&kept);
        arena_fini(&own);
    }
}

TEST_MAIN(copy_stands_alone)
