/* Over UDP an address may be made up: no answer to nobody known is longer than 1.5 times the request. */
#include "element/fixture.h"

static struct element *element;
static struct net_addr udp_at;

static void refuse(struct request *rq)
{
    request_reply(rq, &(struct reply){.status = 200});
}

static const struct element_ops ops = {.is_own_uri = own_uri, .request = refuse};

TEST(begins)
{
    pick_port(&udp_at);
    element = element_begin(1);
    struct element_config *c = config_of(&ops);
    listen_on(c, &udp_at, SIP_UDP, NULL);
    run(element, c);
}

/* A CANCEL of nothing. How long it is. */
static size_t ask(int fd, const char *call, size_t padding)
{
    char text[2048], subject[1024], row[1100] = "";
    memset(subject, 'x', sizeof(subject));
    if (padding)
        snprintf(row, sizeof(row), "Subject: %.*s\r\n", (int)padding, subject);
    int n = snprintf(text, sizeof(text),
                     "CANCEL sip:b SIP/2.0\r\nVia: SIP/2.0/UDP c;rport;branch=z9hG4bK%s%zu\r\n"
                     "From: <sip:a@b>;tag=1\r\nTo: <sip:b>\r\nCall-ID: %s\r\nCSeq: 1 CANCEL\r\n%s\r\n",
                     call, padding, call, row);
    CHECK(write(fd, text, (size_t)n) == n);
    return (size_t)n;
}

static struct slice hear(int fd, char in[4096])
{
    ssize_t n = readable(fd) ? read(fd, in, 4096) : 0;
    struct slice answer = slice_mem(in, n > 0 ? (size_t)n : 0);
    CHECK(slice_starts(answer, SLICE("SIP/2.0 481")));
    return answer;
}

static bool has(struct slice answer, const char *what)
{
    return slice_search(answer, slice_str(what)) != SIZE_MAX;
}

/* Behind each goes one whose answer has room: when that comes first, there was none. The rows that explain go
 * before the answer itself does. */
TEST(an_answer_is_no_longer_than_it_may_be)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    unsigned silent = 0, bare = 0, explained = 0;
    connect(fd, &udp_at.sa, net_addr_len(&udp_at));
    for (size_t padding = 0; padding < 400; padding += 5) {
        char in[4096];
        size_t asked = ask(fd, "small", padding);
        ask(fd, "large", 1000);
        struct slice answer = hear(fd, in);
        if (has(answer, "Call-ID: large")) {
            silent++;
            CHECK(bare + explained == 0);
            continue;
        }
        CHECK(has(answer, "Call-ID: small") && 2 * answer.n <= 3 * asked);
        if (has(answer, "\r\nReason: ")) {
            explained++;
        } else {
            bare++;
            CHECK_INT(explained, 0);
        }
        CHECK(has(hear(fd, in), "Call-ID: large"));
    }
    printf("# %u without an answer, %u with a bare one, %u with a reason\n", silent, bare, explained);
    CHECK(silent && bare && explained);
    close(fd);
}

TEST(ends)
{
    element_end(element);
}

TEST_MAIN(begins, an_answer_is_no_longer_than_it_may_be, ends)
