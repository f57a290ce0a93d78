#include "service/front_end/contacts.h"

#include "ground/base/test.h"

static const struct contacts_rules rules = {60, 7200, 3600};
static const int64_t NOW = 1795000000000;
static struct arena arena;
static struct location_change *changes;
static size_t n;

static enum contacts_verdict read_rows(const char *rows)
{
    struct sip_msg m;
    enum sip_flaw flaw;
    struct slice text = arena_printf(
        &arena,
        "REGISTER sip:registrar.biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP bobspc.biloxi.com:5060;branch="
        "z9hG4bKnashds7\r\nMax-Forwards: 70\r\nTo: Bob <sip:bob@biloxi.com>\r\n"
        "From: Bob <sip:bob@biloxi.com>;tag=456248\r\nCall-ID: 843817637684230@998sdasdh09\r\n"
        "CSeq: 1826 REGISTER\r\n%sContent-Length: 0\r\n\r\n",
        rows);
    CHECK_INT(sip_msg_parse(text, &arena, &m, &flaw), 0);
    n = 0;
    return contacts_read(&m, &rules, NOW, &arena, &changes, &n);
}

static long long seconds(size_t i)
{
    return (changes[i].binding.expires_ms - NOW) / 1000;
}

TEST(rfc3261_24_1)
{
    CHECK_INT(read_rows("Contact: <sip:bob@192.0.2.4>\r\nExpires: 7200\r\n"), CONTACTS_UPDATE);
    CHECK_INT(n, 1);
    CHECK_STR(changes[0].uri, "sip:bob@192.0.2.4");
    CHECK_INT(seconds(0), 7200);
    CHECK_INT(changes[0].binding.q, 1000);
}

/* RFC 3665 sections 2.1 to 2.4 */
TEST(rfc3665)
{
    CHECK_INT(read_rows("Contact: <sip:bob@client.biloxi.example.com>\r\n"), CONTACTS_UPDATE);
    CHECK_INT(seconds(0), 3600);
    CHECK_INT(read_rows("Contact: mailto:bob@biloxi.example.com\r\n"), CONTACTS_BAD);
    CHECK_INT(read_rows(""), CONTACTS_QUERY);
    CHECK_INT(read_rows("Expires: 0\r\nContact: *\r\n"), CONTACTS_REMOVE_ALL);
}

TEST(several_with_parameters)
{
    CHECK_INT(
        read_rows("Contact: \"Bob\" <sip:bob@a>;q=0.7;expires=100, <sips:bob@b>;expires=0\r\n"
                  "m: sip:bob@c;expires=99999;q=0.05\r\nContact: <sip:d>;expires=soon\r\nExpires: 200\r\n"),
        CONTACTS_UPDATE);
    CHECK_INT(n, 4);
    CHECK_INT(seconds(0), 100);
    CHECK_INT(changes[0].binding.q, 700);
    CHECK(!changes[0].remove && changes[1].remove);
    CHECK_STR(changes[2].uri, "sip:bob@c");
    CHECK_INT(seconds(2), 7200);
    CHECK_INT(changes[2].binding.q, 50);
    CHECK_INT(seconds(3), 200);
}

TEST(too_brief)
{
    CHECK_INT(read_rows("Contact: <sip:bob@a>;expires=59\r\n"), CONTACTS_BRIEF);
    CHECK_INT(read_rows("Contact: <sip:bob@a>;expires=60\r\n"), CONTACTS_UPDATE);
    CHECK_INT(read_rows("Contact: <sip:bob@a>\r\nExpires: 1\r\n"), CONTACTS_BRIEF);
}

TEST(stars)
{
    CHECK_INT(read_rows("Contact: *\r\n"), CONTACTS_BAD_STAR);
    CHECK_INT(read_rows("Contact: *\r\nExpires: 1\r\n"), CONTACTS_BAD_STAR);
    CHECK_INT(read_rows("Contact: *\r\nExpires: soon\r\n"), CONTACTS_BAD_STAR);
    CHECK_INT(read_rows("Contact: *, <sip:bob@a>\r\nExpires: 0\r\n"), CONTACTS_BAD_STAR);
    CHECK_INT(read_rows("Contact: <sip:bob@a>\r\nContact: *\r\nExpires: 0\r\n"), CONTACTS_BAD_STAR);
}

/* What a Lync client sends (tests/vectors/sip/sipe-register-01.sip). */
TEST(lync)
{
    CHECK_INT(
        read_rows("Contact: <sip:127.0.0.1:43204;transport=tcp;ms-opaque=d3470f2e1d>;methods=\"INVITE, "
                  "MESSAGE\";proxy=replace;+sip.instance=\"<urn:uuid:dac4a6fa-20e8>\"\r\n"
                  "Contact: <sip:alice@home.test:43204;maddr=127.0.0.1;transport=tcp>;proxy=replace\r\n"),
        CONTACTS_UPDATE);
    CHECK_INT(n, 2);
    CHECK_STR(changes[0].binding.instance, "<urn:uuid:dac4a6fa-20e8>");
    CHECK_STR(changes[1].uri, "sip:alice@home.test:43204;maddr=127.0.0.1;transport=tcp");
}

TEST(limits)
{
    char uri[LOCATION_MAX_URI + 64], rows[8192] = "Contact: <sip:a>";
    snprintf(uri, sizeof(uri), "Contact: <sip:%0*d@a>\r\n", LOCATION_MAX_URI, 1);
    CHECK_INT(read_rows(uri), CONTACTS_BAD);
    for (unsigned i = 0; i < LOCATION_MAX_CHANGES; i++)
        strcat(rows, ", <sip:a>");
    strcat(rows, "\r\n");
    CHECK_INT(read_rows(rows), CONTACTS_TOO_MANY);
}

TEST(written)
{
    struct location_binding b[] = {
        {.uri = SLICE("sip:bob@a"), .q = 1000,                    .expires_ms = NOW + 3600 * 1000},
        { .uri = SLICE("sip:bob@b;x=y"),                  .q = 50, .instance = SLICE("<urn:x>"),           .expires_ms = NOW + 1},
    };
    struct buf out = {0};
    contacts_write(b, 2, NOW, &out);
    CHECK_STR(buf_slice(&out), "Contact: <sip:bob@a>;expires=3600\r\n"
                               "Contact: <sip:bob@b;x=y>;expires=1;q=0.050;+sip.instance=\"<urn:x>\"\r\n");
    buf_fini(&out);
    arena_fini(&arena);
}

TEST_MAIN(rfc3261_24_1, rfc3665, several_with_parameters, too_brief, stars, lync, limits, written)
