#include "wire/sip/msg.h"

#include <dirent.h>
#include <errno.h>
#include <time.h>

#include "ground/base/buf.h"
#include "ground/base/mem.h"
#include "ground/base/test.h"

#define VECTORS "tests/vectors/sip"

/* RFC 3261 24.2 F2, as received by the second proxy, with a body. */
static const char invite[] = "INVITE sip:bob@biloxi.example SIP/2.0\r\n"
                             "Via: SIP/2.0/TCP pc33.atlanta.example;branch=z9hG4bKnashds8\r\n"
                             "Max-Forwards: 70\r\n"
                             "To: Bob <sip:bob@biloxi.example>\r\n"
                             "From: Alice <sip:alice@atlanta.example>;tag=1928301774\r\n"
                             "Call-ID: a84b4c76e66710@pc33.atlanta.example\r\n"
                             "CSeq: 314159 INVITE\r\n"
                             "Contact: <sip:alice@pc33.atlanta.example>\r\n"
                             "Content-Type: application/sdp\r\n"
                             "Content-Length: 4\r\n\r\nv=0\n";

/* RFC 4475 3.1.1.1 in kind: every oddity of white space, folding, case and compact names that is allowed. */
static const char odd[] = "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
                          "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
                          "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n"
                          "  ;\r\n  tag = 98asjd8\r\n"
                          "MaX-fOrWaRdS: 0068\r\n"
                          "Call-ID: wsinv.ndaksdj@192.0.2.1\r\n"
                          "Content-Length   : 150\r\n"
                          "cseq: 0009\r\n  INVITE\r\n"
                          "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
                          "s :\r\n"
                          "NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
                          "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
                          "Content-Type: application/sdp\r\n"
                          "Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
                          "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n"
                          "  branch  =   z9hG4bK9ikj8  ,\r\n"
                          " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
                          "m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n"
                          "      newvalue ;\r\n  secondparam ; q = 0.33\r\n\r\n"
                          "v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.3\r\ns=-\r\n"
                          "c=IN IP4 192.0.2.4\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0 12\r\n"
                          "m=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n";

static enum sip_flaw parse(const char *text, struct arena *a, struct sip_msg *m)
{
    enum sip_flaw flaw;
    int r = sip_msg_parse(slice_str(text), a, m, &flaw);
    CHECK((r == 0) == (flaw == SIP_FLAW_NONE));
    return flaw;
}

TEST(invite_of_rfc3261)
{
    struct arena a = {0};
    struct sip_msg m;
    CHECK_INT(parse(invite, &a, &m), SIP_FLAW_NONE);
    CHECK(m.is_request);
    CHECK_INT(m.method, SIP_INVITE);
    CHECK_STR(m.uri, "sip:bob@biloxi.example");
    CHECK_INT(m.n_headers, 9);
    CHECK_STR(m.call_id, "a84b4c76e66710@pc33.atlanta.example");
    CHECK_INT(m.cseq, 314159);
    CHECK_INT(m.cseq_method, SIP_INVITE);
    CHECK_STR(m.cseq_method_name, "INVITE");
    CHECK_STR(m.from_tag, "1928301774");
    CHECK_STR(m.to_tag, "");
    CHECK_STR(m.branch, "z9hG4bKnashds8");
    CHECK_STR(m.body, "v=0\n");
    CHECK_STR(sip_msg_value(&m, SIP_H_CONTACT), "<sip:alice@pc33.atlanta.example>");
    CHECK_STR(sip_msg_header(&m, SIP_H_MAX_FORWARDS)->line, "Max-Forwards: 70\r\n");
    CHECK(!sip_msg_header(&m, SIP_H_ROUTE));
    CHECK_STR(sip_msg_value(&m, SIP_H_ROUTE), "");
    CHECK(sip_msg_answerable(&m));
    arena_fini(&a);
}

TEST(response)
{
    struct arena a = {0};
    struct sip_msg m;
    const char *text =
        "sip/2.0 480 Nobody \xc3\xa9 here\r\nVia: SIP/2.0/TLS h;branch=z9hG4bKx\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 SING\r\n\r\nrest";
    CHECK_INT(parse(text, &a, &m), SIP_FLAW_NONE);
    CHECK(!m.is_request);
    CHECK_INT(m.status, 480);
    CHECK_STR(m.reason, "Nobody \xc3\xa9 here");
    CHECK_INT(m.cseq_method, SIP_METHOD_OTHER);
    CHECK_STR(m.cseq_method_name, "SING");
    CHECK_STR(m.to_tag, "2");
    CHECK_STR(m.body, "rest"); /* without Content-Length: what is there */
    CHECK(!sip_msg_answerable(&m));
    arena_fini(&a);
}

TEST(white_space_and_folding)
{
    struct arena a = {0};
    struct sip_msg m;
    CHECK_INT(parse(odd, &a, &m), SIP_FLAW_NONE);
    CHECK_INT(m.cseq, 9);
    CHECK_STR(m.from_tag, "98asjd8");
    CHECK_STR(m.to_tag, "1918181833n");
    CHECK_STR(m.branch, "390skdjuw");
    CHECK_INT(m.body.n, 150);
    CHECK_STR(sip_msg_value(&m, SIP_H_SUBJECT), "");
    CHECK_STR(sip_msg_value(&m, SIP_H_TO), "sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n");
    CHECK_STR(sip_msg_named(&m, SLICE("newfangledheader"))->value,
              "newfangled value continued newfangled value");
    struct sip_values v = sip_values(&m, SIP_H_VIA);
    struct slice value;
    CHECK(sip_values_next(&v, &value));
    CHECK(sip_values_next(&v, &value));
    CHECK_STR(value, "SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8");
    CHECK(sip_values_next(&v, &value));
    CHECK_STR(value, "SIP  /    2.0   / UDP  192.168.255.111   ; branch= z9hG4bK30239");
    CHECK(v.row == sip_msg_next(&m, sip_msg_header(&m, SIP_H_VIA)));
    CHECK(!sip_values_next(&v, &value));
    arena_fini(&a);
}

#define VIA "Via: SIP/2.0/UDP h.example;branch=z9hG4bK1\r\n"
#define REST "To: <sip:b@b.example>\r\nFrom: <sip:a@a.example>;tag=1\r\nCall-ID: c\r\n"
#define MANDATORY VIA REST "CSeq: 1 OPTIONS\r\n"
#define LINE "OPTIONS sip:b@b.example SIP/2.0\r\n"

TEST(control_characters_anywhere)
{
    /* at every place of the header part, so in every lane of the sixteen-byte steps */
    static const char controls[] = {0, 1, 8, '\v', 0x1f, 0x7f};
    char text[sizeof(invite)];
    size_t header = strlen(invite) - strlen("v=0\n");
    for (size_t k = 0; k < sizeof(controls); k++)
        for (size_t i = 0; i < header; i++) {
            struct arena a = {0};
            struct sip_msg m;
            enum sip_flaw flaw = SIP_FLAW_NONE;
            memcpy(text, invite, sizeof(invite));
            text[i] = controls[k];
            CHECK_INT(sip_msg_parse(slice_mem(text, sizeof(invite) - 1), &a, &m, &flaw), -EBADMSG);
            CHECK(flaw != SIP_FLAW_NONE);
            arena_fini(&a);
        }
}

TEST(no_control_characters)
{
    static const char begin[] = LINE MANDATORY "Subject: ", end[] = "\r\n\r\n";
    static const unsigned char harmless[] = {'\t', ' ', '~', 0x80, 0x9f, 0xa0, 0xff};
    for (size_t k = 0; k < sizeof(harmless); k++)
        for (size_t n = 1; n < 40; n++) {
            struct buf b = {0};
            struct arena a = {0};
            struct sip_msg m;
            enum sip_flaw flaw;
            buf_append(&b, slice_str(begin));
            for (size_t i = 0; i < n; i++)
                buf_append_char(&b, (char)harmless[k]);
            buf_append(&b, slice_str("x"));
            buf_append(&b, slice_str(end));
            CHECK_INT(sip_msg_parse(buf_slice(&b), &a, &m, &flaw), 0);
            struct slice subject = sip_msg_value(&m, SIP_H_SUBJECT);
            CHECK_INT(subject.n, harmless[k] == '\t' || harmless[k] == ' ' ? 1 : n + 1);
            arena_fini(&a);
            buf_fini(&b);
        }
}

TEST(cut_anywhere)
{
    /* every prefix, in memory of just its size, is refused without reading beyond */
    for (size_t n = 0; n < sizeof(invite) - 1; n++) {
        struct arena a = {0};
        struct sip_msg m;
        enum sip_flaw flaw = SIP_FLAW_NONE;
        char *copy = mem_alloc(n ? n : 1);
        memcpy(copy, invite, n);
        CHECK_INT(sip_msg_parse(slice_mem(copy, n), &a, &m, &flaw), -EBADMSG);
        CHECK(flaw != SIP_FLAW_NONE);
        mem_free(copy);
        arena_fini(&a);
    }
}

TEST(two_messages_in_a_datagram)
{
    /* RFC 4475 3.1.1.8: what follows Content-Length is not looked at */
    struct buf b = {0};
    struct arena a = {0};
    struct sip_msg m;
    buf_append(&b, slice_str(invite));
    buf_append(&b, slice_str(odd));
    enum sip_flaw flaw;
    CHECK_INT(sip_msg_parse(buf_slice(&b), &a, &m, &flaw), 0);
    CHECK_STR(m.text, invite);
    CHECK_STR(m.body, "v=0\n");
    arena_fini(&a);
    buf_fini(&b);
}

TEST(limits)
{
    struct buf b = {0};
    struct arena a = {0};
    struct sip_msg m;
    enum sip_flaw flaw;
    buf_append(&b, SLICE(LINE MANDATORY));
    for (int i = 5; i < SIP_MAX_HEADERS; i++)
        buf_append(&b, SLICE("Route: <sip:a>, <sip:b>\r\n"));
    buf_append(&b, SLICE("\r\n"));
    CHECK_INT(sip_msg_parse(buf_slice(&b), &a, &m, &flaw), 0);
    CHECK_INT(m.n_headers, SIP_MAX_HEADERS);
    struct sip_values v = sip_values(&m, SIP_H_ROUTE);
    struct slice value;
    int n = 0;
    while (sip_values_next(&v, &value))
        n++;
    CHECK_INT(n, SIP_MAX_VALUES);

    buf_consume(&b, SIZE_MAX);
    buf_append(&b, SLICE(LINE MANDATORY));
    for (int i = 4; i < SIP_MAX_HEADERS; i++)
        buf_append(&b, SLICE("X: y\r\n"));
    buf_append(&b, SLICE("\r\n"));
    CHECK_INT(sip_msg_parse(buf_slice(&b), &a, &m, &flaw), -EBADMSG);
    CHECK_INT(flaw, SIP_FLAW_TOO_MANY_HEADERS);
    CHECK(sip_msg_answerable(&m));

    buf_consume(&b, SIZE_MAX);
    buf_append(&b, SLICE(LINE MANDATORY "\r\n"));
    while (buf_len(&b) < SIP_MAX_MESSAGE)
        buf_append_char(&b, 'x');
    CHECK_INT(sip_msg_parse(buf_slice(&b), &a, &m, &flaw), 0);
    buf_append_char(&b, 'x');
    CHECK_INT(sip_msg_parse(buf_slice(&b), &a, &m, &flaw), -EBADMSG);
    CHECK_INT(flaw, SIP_FLAW_TOO_LARGE);
    CHECK(sip_msg_answerable(&m));
    arena_fini(&a);
    buf_fini(&b);
}

TEST(lists)
{
    static const struct {
        const char *list, *values[4];
    } cases[] = {
        {"",                                                       {0}            },
        {" , ,",                                                   {0}            },
        {"a",                                                      {"a"}          },
        {"a,b , c",                                                {"a", "b", "c"}},
        {"\"x, \\\", y\" <sip:a,b@c;p=\"q>, <sip:d>;e=\"f,g\", h",
         {"\"x, \\\", y\" <sip:a,b@c;p=\"q>", "<sip:d>;e=\"f,g\"", "h"}           },
        {"\"open, a",                                              {"\"open, a"}  },
        {"<open, a",                                               {"<open, a"}   },
        {"a\\, b",                                                 {"a\\", "b"}   },
        {"\"a\\",                                                  {"\"a\\"}      },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice rest = slice_str(cases[i].list), value;
        size_t n = 0;
        for (; sip_list_next(&rest, &value); n++)
            CHECK_STR(value, n < 4 && cases[i].values[n] ? cases[i].values[n] : "no more");
        CHECK(n == 4 || !cases[i].values[n]);
    }
}

TEST(rows_and_tokens)
{
    struct arena a = {0};
    struct sip_msg m;
    const char *text = LINE MANDATORY "k: timer, Path\r\nX-Y: 1\r\nSupported: gruu\r\nx-y: 2\r\n"
                                      "Require:\r\nRequire: ms-BENOTIFY\r\n\r\n";
    CHECK_INT(parse(text, &a, &m), SIP_FLAW_NONE);
    CHECK(sip_msg_has_token(&m, SIP_H_SUPPORTED, SLICE("path")));
    CHECK(sip_msg_has_token(&m, SIP_H_SUPPORTED, SLICE("gruu")));
    CHECK(!sip_msg_has_token(&m, SIP_H_SUPPORTED, SLICE("gru")));
    CHECK(sip_msg_has_token(&m, SIP_H_REQUIRE, SLICE("ms-benotify")));
    const struct sip_header *h = sip_msg_named(&m, SLICE("X-y"));
    CHECK(h && slice_eq(h->value, SLICE("1")));
    h = h ? sip_msg_next(&m, h) : NULL;
    CHECK(h && slice_eq(h->value, SLICE("2")));
    CHECK(h && !sip_msg_next(&m, h));
    CHECK(sip_msg_named(&m, SLICE("SUPPORTED")) == sip_msg_header(&m, SIP_H_SUPPORTED));
    CHECK(!sip_msg_named(&m, SLICE("x-z")));
    arena_fini(&a);
}

TEST(names)
{
    for (unsigned i = 0; i < SIP_H_COUNT; i++) {
        char upper[64];
        snprintf(upper, sizeof(upper), "%s", sip_header_name((enum sip_header_id)i));
        CHECK_INT(sip_header_id_parse(slice_str(upper)), i);
        for (char *p = upper; *p; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
        CHECK_INT(sip_header_id_parse(slice_str(upper)), i);
        upper[strlen(upper) - 1] = '!';
        CHECK_INT(sip_header_id_parse(slice_str(upper)), SIP_H_OTHER);
    }
    static const char compact[] = "vftimlckobsreu";
    static const enum sip_header_id ids[] = {SIP_H_VIA,
                                             SIP_H_FROM,
                                             SIP_H_TO,
                                             SIP_H_CALL_ID,
                                             SIP_H_CONTACT,
                                             SIP_H_CONTENT_LENGTH,
                                             SIP_H_CONTENT_TYPE,
                                             SIP_H_SUPPORTED,
                                             SIP_H_EVENT,
                                             SIP_H_REFERRED_BY,
                                             SIP_H_SUBJECT,
                                             SIP_H_REFER_TO,
                                             SIP_H_CONTENT_ENCODING,
                                             SIP_H_ALLOW_EVENTS};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        CHECK_INT(sip_header_id_parse(slice_mem(compact + i, 1)), ids[i]);
    CHECK_INT(sip_header_id_parse(SLICE("")), SIP_H_OTHER);
    CHECK_INT(sip_header_id_parse(SLICE("a-header-name-longer-than-any-that-we-know")), SIP_H_OTHER);
    for (unsigned i = 0; i < SIP_METHOD_OTHER; i++)
        CHECK_INT(sip_method_parse(slice_str(sip_method_name((enum sip_method)i))), i);
    CHECK_INT(sip_method_parse(SLICE("invite")), SIP_METHOD_OTHER);
    CHECK_STR(slice_str(sip_method_name(SIP_METHOD_OTHER)), "");
    CHECK_STR(slice_str(sip_reason_phrase(487)), "Request Terminated");
    CHECK_STR(slice_str(sip_reason_phrase(299)), "");
    CHECK_STR(slice_str(sip_flaw_id(SIP_FLAW_TOO_MANY_HEADERS)), "too-many-headers");
    CHECK_INT(sip_flaw_status(SIP_FLAW_VERSION), 505);
    CHECK_STR(slice_str(sip_flaw_text(SIP_FLAW_VERSION)), "SIP version is not 2.0");
    CHECK(sip_is_token(SLICE("a-.!%*_+`'~Z9")));
    CHECK(!sip_is_token(SLICE("")));
    CHECK(!sip_is_token(SLICE("a b")));
    CHECK(!sip_is_token(SLICE("\xe9")));
}

TEST(vectors)
{
    DIR *d = opendir(VECTORS);
    CHECK(d);
    int seen = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        if (!slice_ends(slice_str(e->d_name), SLICE(".sip")))
            continue;
        snprintf(path, sizeof(path), VECTORS "/%s", e->d_name);
        FILE *f = fopen(path, "rb");
        struct buf b = {0};
        buf_commit(&b, fread(buf_reserve(&b, SIP_MAX_MESSAGE), 1, SIP_MAX_MESSAGE, f));
        fclose(f);
        struct arena a = {0};
        struct sip_msg m;
        enum sip_flaw flaw;
        if (sip_msg_parse(buf_slice(&b), &a, &m, &flaw) != 0)
            TEST_DIAG("%s: %s", path, sip_flaw_text(flaw));
        CHECK(m.n_headers >= 5 && m.branch.n > 0 && m.from_tag.n > 0 && m.call_id.n > 0);
        CHECK_SLICE(m.text, buf_slice(&b));
        arena_fini(&a);
        buf_fini(&b);
        seen++;
    }
    if (d)
        closedir(d);
    CHECK(seen >= 29);
}

/* Prints only: nothing is claimed here. */
TEST(time_of_a_parse)
{
    const char *text =
        "INVITE sip:bob@client.biloxi.example.com SIP/2.0\r\n"
        "Via: SIP/2.0/TCP ss2.biloxi.example.com:5060;branch=z9hG4bK721e4.1\r\n"
        "Via: SIP/2.0/TCP ss1.atlanta.example.com:5060;branch=z9hG4bK2d4790.1;received=192.0.2.111\r\n"
        "Max-Forwards: 68\r\nRecord-Route: <sip:ss2.biloxi.example.com;lr>\r\n"
        "Record-Route: <sip:ss1.atlanta.example.com;lr>\r\n"
        "From: <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\nTo: <sip:bob@biloxi.example.com>\r\n"
        "Call-ID: 2xTb9vxSit55XU7p8@atlanta.example.com\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:alice@client.atlanta.example.com;transport=tcp>\r\n"
        "Content-Type: application/sdp\r\nContent-Length: 28\r\n\r\nv=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\n";
    enum { ROUNDS = 20000 };
    struct arena a = {0};
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < ROUNDS; i++) {
        struct sip_msg m;
        CHECK_INT(parse(text, &a, &m), SIP_FLAW_NONE);
        arena_reset(&a);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    printf("# INVITE with 12 rows and SDP: %.0f ns a parse\n", ns / ROUNDS);
    arena_fini(&a);
}

TEST_MAIN(invite_of_rfc3261, response, white_space_and_folding, control_characters_anywhere,
          no_control_characters, cut_anywhere, two_messages_in_a_datagram, limits, lists, rows_and_tokens,
          names, vectors, time_of_a_parse)
