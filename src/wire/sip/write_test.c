#include "wire/sip/write.h"

#include <dirent.h>

#include "ground/base/test.h"
#include "wire/sip/frame.h"

#define VECTORS "tests/vectors/sip"

/* The INVITE of RFC 3665 3.2 at the second proxy, in other words; two Route values in one row, one folded. */
static const char invite[] = "INVITE sip:bob@biloxi.example SIP/2.0\r\n"
                             "Via: SIP/2.0/TCP ss1.atlanta.example:5060;branch=z9hG4bK2d4790.1\r\n"
                             "Via: SIP/2.0/TCP client.atlanta.example:5060;branch=z9hG4bK74bf9\r\n"
                             " ;received=192.0.2.101\r\n"
                             "Max-Forwards: 69\r\n"
                             "Route: <sip:ss2.biloxi.example;lr>, <sip:ss3.biloxi.example;lr>\r\n"
                             "ROUTE: <sip:ss4.biloxi.example;lr>\r\n"
                             "Record-Route: <sip:ss1.atlanta.example;lr>\r\n"
                             "From: Alice <sip:alice@atlanta.example>;tag=9fxced76sl\r\n"
                             "To: Bob <sip:bob@biloxi.example>\r\n"
                             "Call-ID: 2xTb9vxSit55XU7p8@atlanta.example\r\n"
                             "CSeq: 1 INVITE\r\n"
                             "Timestamp: 54\r\n"
                             "Contact: <sip:alice@client.atlanta.example;transport=tcp>\r\n"
                             "Content-Type: application/sdp\r\n"
                             "Content-Length: 5\r\n\r\nv=0\r\n";

struct fixture {
    struct arena arena;
    struct buf out;
    struct sip_msg msg;
    struct sip_edits edits;
};

static void setup(struct fixture *f, const char *text)
{
    enum sip_flaw flaw;
    memset(f, 0xff, sizeof(*f)); /* what sip_edits_init leaves alone is not looked at */
    f->arena = (struct arena){0};
    f->out = (struct buf){0};
    sip_edits_init(&f->edits);
    CHECK_INT(sip_msg_parse(slice_str(text), &f->arena, &f->msg, &flaw), 0);
}

static void teardown(struct fixture *f)
{
    arena_fini(&f->arena);
    buf_fini(&f->out);
}

/* The written message is the original with the first `was` in it replaced by `is`. */
static void check_replaced(struct fixture *f, const char *was, const char *is)
{
    sip_msg_write(&f->msg, &f->edits, &f->out);
    struct slice text = f->msg.text;
    size_t at = slice_search(text, slice_str(was));
    struct buf want = {0};
    buf_append(&want, slice_head(text, at));
    buf_append(&want, slice_str(is));
    buf_append(&want, slice_from(text, at + strlen(was)));
    CHECK_SLICE(buf_slice(&f->out), buf_slice(&want));
    buf_fini(&want);
    buf_consume(&f->out, SIZE_MAX);
    sip_edits_init(&f->edits);
}

TEST(no_edits)
{
    struct fixture f;
    setup(&f, invite);
    sip_msg_write(&f.msg, &f.edits, &f.out);
    CHECK_STR(buf_slice(&f.out), invite);
    sip_msg_write(&f.msg, &f.edits, &f.out); /* appends */
    CHECK_INT(buf_len(&f.out), 2 * strlen(invite));
    teardown(&f);
    setup(&f, "SIP/2.0 200\r\nVia: SIP/2.0/UDP h\r\nf: <sip:a@b>\r\nt:sip:c@d\r\ni: x\r\nCSeq: 1 A\r\n\r\n");
    f.edits.uri = SLICE("sip:ignored");
    check_replaced(&f, "", "");
    teardown(&f);
}

TEST(single_edits)
{
    struct fixture f;
    setup(&f, invite);
    f.edits.uri = SLICE("sip:bob@192.0.2.4");
    check_replaced(&f, "sip:bob@biloxi.example", "sip:bob@192.0.2.4");
    sip_edit_top(&f.edits, "Via", SLICE("one"));
    sip_edit_top(&f.edits, "Via", SLICE("two"));
    check_replaced(&f, "SIP/2.0\r\n", "SIP/2.0\r\nVia: two\r\nVia: one\r\n");
    sip_edit_end(&f.edits, "X-A", SLICE("1"));
    sip_edit_end(&f.edits, "X-B", SLICE("2"));
    check_replaced(&f, "\r\n\r\n", "\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    sip_edit_set(&f.edits, sip_msg_header(&f.msg, SIP_H_MAX_FORWARDS), SLICE("70"));
    sip_edit_set(&f.edits, sip_msg_header(&f.msg, SIP_H_MAX_FORWARDS), SLICE("68"));
    check_replaced(&f, "Max-Forwards: 69", "Max-Forwards: 68");
    sip_edit_remove(&f.edits, sip_msg_header(&f.msg, SIP_H_VIA));
    check_replaced(&f, "Via: SIP/2.0/TCP ss1.atlanta.example:5060;branch=z9hG4bK2d4790.1\r\n", "");
    sip_edit_remove(&f.edits, sip_msg_header(&f.msg, SIP_H_CONTENT_LENGTH));
    check_replaced(&f, "Content-Length: 5\r\n", "");
    sip_edit_remove_all(&f.edits, &f.msg, SIP_H_ROUTE);
    check_replaced(&f,
                   "Route: <sip:ss2.biloxi.example;lr>, <sip:ss3.biloxi.example;lr>\r\n"
                   "ROUTE: <sip:ss4.biloxi.example;lr>\r\n",
                   "");
    f.edits.replace_body = true;
    f.edits.body = SLICE("v=0\r\ns=-\r\n");
    check_replaced(&f, "Content-Length: 5\r\n\r\nv=0\r\n", "Content-Length: 10\r\n\r\nv=0\r\ns=-\r\n");
    teardown(&f);
}

TEST(many_edits_at_once)
{
    struct fixture f;
    setup(&f, invite);
    f.edits.uri = SLICE("sip:u");
    f.edits.replace_body = true;
    f.edits.body = SLICE_NONE;
    sip_edit_end(&f.edits, "E", SLICE("e"));
    sip_edit_set(&f.edits, sip_msg_header(&f.msg, SIP_H_TO), SLICE("<sip:t>"));
    sip_edit_remove_all(&f.edits, &f.msg, SIP_H_VIA);
    sip_edit_top(&f.edits, "T", SLICE("t"));
    sip_edit_pop_value(&f.edits, &f.msg, SIP_H_ROUTE);
    sip_edit_remove(&f.edits, sip_msg_header(&f.msg, SIP_H_CONTENT_TYPE));
    sip_msg_write(&f.msg, &f.edits, &f.out);
    CHECK_STR(buf_slice(&f.out),
              "INVITE sip:u SIP/2.0\r\nT: t\r\nMax-Forwards: 69\r\n"
              "Route: <sip:ss3.biloxi.example;lr>\r\nROUTE: <sip:ss4.biloxi.example;lr>\r\n"
              "Record-Route: <sip:ss1.atlanta.example;lr>\r\n"
              "From: Alice <sip:alice@atlanta.example>;tag=9fxced76sl\r\nTo: <sip:t>\r\n"
              "Call-ID: 2xTb9vxSit55XU7p8@atlanta.example\r\nCSeq: 1 INVITE\r\n"
              "Timestamp: 54\r\n"
              "Contact: <sip:alice@client.atlanta.example;transport=tcp>\r\n"
              "Content-Length: 0\r\nE: e\r\n\r\n");
    teardown(&f);
}

TEST(first_values)
{
    struct fixture f;
    setup(&f, invite);
    sip_edit_pop_value(&f.edits, &f.msg, SIP_H_ROUTE);
    check_replaced(&f, "<sip:ss2.biloxi.example;lr>, ", "");
    for (int i = 0; i < 3; i++)
        sip_edit_pop_value(&f.edits, &f.msg, SIP_H_ROUTE);
    sip_edit_pop_value(&f.edits, &f.msg, SIP_H_ROUTE); /* none left */
    sip_edit_pop_value(&f.edits, &f.msg, SIP_H_PATH);  /* never there */
    CHECK_INT(f.edits.n, 2);
    check_replaced(&f,
                   "Route: <sip:ss2.biloxi.example;lr>, <sip:ss3.biloxi.example;lr>\r\n"
                   "ROUTE: <sip:ss4.biloxi.example;lr>\r\n",
                   "");
    sip_edit_set_first(&f.edits, &f.arena, &f.msg, SIP_H_ROUTE, SLICE("<sip:new>"));
    check_replaced(&f, "<sip:ss2.biloxi.example;lr>", "<sip:new>");
    sip_edit_pop_value(&f.edits, &f.msg, SIP_H_ROUTE);
    sip_edit_set_first(&f.edits, &f.arena, &f.msg, SIP_H_ROUTE, SLICE("<sip:new>"));
    check_replaced(&f, "<sip:ss2.biloxi.example;lr>, <sip:ss3.biloxi.example;lr>", "<sip:new>");
    sip_edit_set_first(&f.edits, &f.arena, &f.msg, SIP_H_VIA, SLICE("SIP/2.0/TLS x"));
    check_replaced(&f, "SIP/2.0/TCP ss1.atlanta.example:5060;branch=z9hG4bK2d4790.1", "SIP/2.0/TLS x");
    teardown(&f);
}

TEST(too_many_edits)
{
    struct fixture f;
    setup(&f, invite);
    for (int i = 0; i < SIP_MAX_EDITS; i++)
        sip_edit_end(&f.edits, "X", SLICE("y"));
    CHECK(!f.edits.overflow);
    sip_edit_end(&f.edits, "X", SLICE("y"));
    CHECK(f.edits.overflow);
    CHECK_INT(f.edits.n, SIP_MAX_EDITS);
    sip_msg_write(&f.msg, &f.edits, &f.out);
    CHECK_INT(buf_len(&f.out), strlen(invite) + SIP_MAX_EDITS * strlen("X: y\r\n"));
    teardown(&f);
}

TEST(length_is_added)
{
    struct fixture f;
    setup(&f, "MESSAGE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nf: <sip:a@b>;tag=1\r\nt:sip:c@d\r\ni: x\r\n"
              "CSeq: 1 MESSAGE\r\n\r\nhello");
    f.edits.replace_body = true;
    f.edits.body = f.msg.body;
    check_replaced(&f, "MESSAGE\r\n\r\nhello", "MESSAGE\r\nContent-Length: 5\r\n\r\nhello");
    teardown(&f);
    setup(&f, "MESSAGE sip:b@b SIP/2.0\r\nl: 2\r\nVia: SIP/2.0/UDP h\r\nf: <sip:a@b>;tag=1\r\nt:sip:c@d\r\n"
              "i: x\r\nCSeq: 1 MESSAGE\r\n\r\nhi");
    f.edits.replace_body = true;
    f.edits.body = SLICE_NONE;
    sip_msg_write(&f.msg, &f.edits, &f.out);
    CHECK_STR(buf_slice(&f.out), "MESSAGE sip:b@b SIP/2.0\r\nContent-Length: 0\r\nVia: SIP/2.0/UDP h\r\n"
                                 "f: <sip:a@b>;tag=1\r\nt:sip:c@d\r\ni: x\r\nCSeq: 1 MESSAGE\r\n\r\n");
    teardown(&f);
}

#define RESPONSE_VIAS                                                                                        \
    "Via: SIP/2.0/TCP ss1.atlanta.example:5060;branch=z9hG4bK2d4790.1;received=192.0.2.111\r\n"              \
    "Via: SIP/2.0/TCP client.atlanta.example:5060;branch=z9hG4bK74bf9\r\n ;received=192.0.2.101\r\n"
#define RESPONSE_FROM "From: Alice <sip:alice@atlanta.example>;tag=9fxced76sl\r\n"
#define RESPONSE_REST "Call-ID: 2xTb9vxSit55XU7p8@atlanta.example\r\nCSeq: 1 INVITE\r\nTimestamp: 54\r\n"

TEST(responses)
{
    struct fixture f;
    setup(&f, invite);
    struct sip_response r = {
        .status = 180,
        .to_tag = SLICE("314159"),
        .top_via = SLICE("SIP/2.0/TCP ss1.atlanta.example:5060;branch=z9hG4bK2d4790.1;received=192.0.2.111"),
        .extra = SLICE("Contact: <sip:b>\r\n"),
    };
    sip_response_write(&f.msg, &r, &f.out);
    CHECK_STR(buf_slice(&f.out), "SIP/2.0 180 Ringing\r\n" RESPONSE_VIAS
                                 "Record-Route: <sip:ss1.atlanta.example;lr>\r\n" RESPONSE_FROM
                                 "To: Bob <sip:bob@biloxi.example>;tag=314159\r\n" RESPONSE_REST
                                 "Contact: <sip:b>\r\nContent-Length: 0\r\n\r\n");
    buf_consume(&f.out, SIZE_MAX);
    r.status = 404;
    r.extra = SLICE_NONE;
    r.reason = SLICE("Gone Fishing");
    r.content_type = SLICE("text/plain");
    r.body = SLICE("far away");
    sip_response_write(&f.msg, &r, &f.out);
    CHECK_STR(buf_slice(&f.out), "SIP/2.0 404 Gone Fishing\r\n" RESPONSE_VIAS RESPONSE_FROM
                                 "To: Bob <sip:bob@biloxi.example>;tag=314159\r\n" RESPONSE_REST
                                 "Content-Type: text/plain\r\nContent-Length: 8\r\n\r\nfar away");
    buf_consume(&f.out, SIZE_MAX);
    sip_response_write(&f.msg, &(struct sip_response){.status = 100, .to_tag = SLICE("x")}, &f.out);
    struct sip_msg trying;
    enum sip_flaw flaw;
    CHECK_INT(sip_msg_parse(buf_slice(&f.out), &f.arena, &trying, &flaw), 0);
    CHECK_INT(trying.status, 100);
    CHECK_STR(trying.reason, "Trying");
    CHECK_STR(trying.to_tag, "");
    CHECK_STR(trying.branch, "z9hG4bK2d4790.1");
    CHECK_STR(sip_msg_value(&trying, SIP_H_TIMESTAMP), "54");
    CHECK(!sip_msg_header(&trying, SIP_H_RECORD_ROUTE));
    teardown(&f);
}

TEST(response_within_a_dialog)
{
    struct fixture f;
    setup(&f, "BYE sip:b@b SIP/2.0\r\nv: SIP/2.0/UDP a;branch=1 ,\r\n SIP/2.0/UDP b\r\nf: <sip:a@b>;tag=1\r\n"
              "t:sip:c@d;tag=7\r\ni: x\r\nCSeq: 1 BYE\r\n\r\n");
    sip_response_write(&f.msg,
                       &(struct sip_response){.status = 481, .to_tag = SLICE("no"), .top_via = SLICE("new")},
                       &f.out);
    CHECK_STR(buf_slice(&f.out), "SIP/2.0 481 Call/Transaction Does Not Exist\r\nVia: new, SIP/2.0/UDP b\r\n"
                                 "f: <sip:a@b>;tag=1\r\nt:sip:c@d;tag=7\r\ni: x\r\nCSeq: 1 BYE\r\n"
                                 "Content-Length: 0\r\n\r\n");
    teardown(&f);
}

TEST(ack_and_cancel)
{
    struct fixture f;
    setup(&f, invite);
    sip_response_write(&f.msg, &(struct sip_response){.status = 486, .to_tag = SLICE("t1")}, &f.out);
    struct sip_msg busy;
    enum sip_flaw flaw;
    struct buf ack = {0};
    CHECK_INT(sip_msg_parse(buf_slice(&f.out), &f.arena, &busy, &flaw), 0);
    sip_ack_write(&f.msg, &busy, &ack);
#define HOP_ROWS                                                                                             \
    "Via: SIP/2.0/TCP ss1.atlanta.example:5060;branch=z9hG4bK2d4790.1\r\n"                                   \
    "Route: <sip:ss2.biloxi.example;lr>, <sip:ss3.biloxi.example;lr>\r\n"                                    \
    "ROUTE: <sip:ss4.biloxi.example;lr>\r\n" RESPONSE_FROM
    CHECK_STR(buf_slice(&ack),
              "ACK sip:bob@biloxi.example SIP/2.0\r\n" HOP_ROWS "To: Bob <sip:bob@biloxi.example>;tag=t1\r\n"
              "Call-ID: 2xTb9vxSit55XU7p8@atlanta.example\r\nCSeq: 1 ACK\r\n"
              "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
    buf_consume(&ack, SIZE_MAX);
    sip_cancel_write(&f.msg, SLICE("SIP;cause=200"), &ack);
    CHECK_STR(buf_slice(&ack),
              "CANCEL sip:bob@biloxi.example SIP/2.0\r\n" HOP_ROWS "To: Bob <sip:bob@biloxi.example>\r\n"
              "Call-ID: 2xTb9vxSit55XU7p8@atlanta.example\r\nCSeq: 1 CANCEL\r\n"
              "Max-Forwards: 70\r\nReason: SIP;cause=200\r\nContent-Length: 0\r\n\r\n");
    buf_fini(&ack);
    teardown(&f);
}

/* Each message of the vectors is written as it was; all of them are one stream of as many frames. */
TEST(vectors_written_and_framed)
{
    DIR *d = opendir(VECTORS);
    CHECK(d);
    struct buf stream = {0};
    int written = 0, framed = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512], text[4096];
        if (!slice_ends(slice_str(e->d_name), SLICE(".sip")))
            continue;
        snprintf(path, sizeof(path), VECTORS "/%s", e->d_name);
        FILE *file = fopen(path, "rb");
        text[fread(text, 1, sizeof(text) - 1, file)] = 0;
        fclose(file);
        struct fixture f;
        setup(&f, text);
        check_replaced(&f, "", "");
        teardown(&f);
        buf_append(&stream, slice_str(text));
        written++;
    }
    if (d)
        closedir(d);
    struct sip_framer framer = {0};
    size_t len;
    enum sip_flaw flaw;
    while (sip_frame_next(&framer, buf_slice(&stream), &len, &flaw) == SIP_FRAME_MESSAGE) {
        buf_consume(&stream, len);
        framed++;
    }
    CHECK(written >= 29);
    CHECK_INT(framed, written);
    CHECK_INT(buf_len(&stream), 0);
    buf_fini(&stream);
}

TEST_MAIN(no_edits, single_edits, many_edits_at_once, first_values, too_many_edits, length_is_added,
          responses, response_within_a_dialog, ack_and_cancel, vectors_written_and_framed)
