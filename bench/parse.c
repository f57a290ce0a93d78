/*
 * What it costs to read an INVITE with SDP as a proxy reads it: the index of its headers with every check of
 * sip_msg_parse, the topmost Via, From and To, the Request-URI, the first Route, Max-Forwards and Contact.
 * Prints one JSON line; the middle of several rounds, on the CPU time of the thread.
 */
#include "wire/sip/msg.h"
#include "wire/sip/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 9, PARSES = 100000 };

#define SDP                                                                                                  \
    "v=0\r\n"                                                                                                \
    "o=alice 2890844526 2890844526 IN IP4 pc33.partner.example\r\n"                                          \
    "s=-\r\n"                                                                                                \
    "c=IN IP4 192.0.2.101\r\n"                                                                               \
    "t=0 0\r\n"                                                                                              \
    "m=audio 49172 RTP/SAVP 8 0 101\r\n"                                                                     \
    "a=rtpmap:8 PCMA/8000\r\n"                                                                               \
    "a=rtpmap:0 PCMU/8000\r\n"                                                                               \
    "a=rtpmap:101 telephone-event/8000\r\n"                                                                  \
    "a=sendrecv\r\n"
static const char invite[] =
    "INVITE sip:bob@home.example SIP/2.0\r\n"
    "Via: SIP/2.0/TLS sip.partner.example:5061;branch=z9hG4bK74b43f7a9e2d;rport;alias\r\n"
    "Via: SIP/2.0/TLS pc33.partner.example:49171;branch=z9hG4bKnashds8;received=192.0.2.101\r\n"
    "Max-Forwards: 69\r\n"
    "Route: <sip:sip.home.example:5061;transport=tls;lr>\r\n"
    "Record-Route: <sip:sip.partner.example:5061;transport=tls;lr>\r\n"
    "From: \"Alice Atkins\" <sip:alice@partner.example>;tag=9fxced76sl\r\n"
    "To: Bob <sip:bob@home.example>\r\n"
    "Call-ID: 3848276298220188511@partner.example\r\n"
    "CSeq: 314159 INVITE\r\n"
    "Contact: <sip:alice@pc33.partner.example:49171;transport=tls>\r\n"
    "User-Agent: Example/4.2 (desk)\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, UPDATE\r\n"
    "Supported: replaces, timer\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 221\r\n"
    "\r\n" SDP;
_Static_assert(sizeof(SDP) - 1 == 221, "Content-Length is that of the body");

/* The topmost Via, From and To come with the index. */
static bool read_values(const struct sip_msg *m)
{
    struct sip_uri uri;
    struct sip_addr route, contact;
    uint32_t hops;
    return m->via.port == 5061 && m->from.uri.host.n && m->to.uri.host.n &&
           sip_uri_parse(m->uri, &uri) == 0 && sip_addr_parse(sip_msg_value(m, SIP_H_ROUTE), &route) == 0 &&
           sip_addr_parse(sip_msg_value(m, SIP_H_CONTACT), &contact) == 0 &&
           sip_number_parse(sip_msg_value(m, SIP_H_MAX_FORWARDS), &hops) == 0 && hops == 69 &&
           m->body.n == sizeof(SDP) - 1;
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    double rounds[ROUNDS];
    struct arena a = {0};
    for (size_t r = 0; r < ROUNDS; r++) {
        double begin = cpu_ns();
        for (size_t i = 0; i < PARSES; i++) {
            struct sip_msg m;
            enum sip_flaw flaw;
            arena_reset(&a);
            if (sip_msg_parse(slice_mem(invite, sizeof(invite) - 1), &a, &m, &flaw) != 0 ||
                !read_values(&m)) {
                fprintf(stderr, "parse: the INVITE was not understood\n");
                return EXIT_FAILURE;
            }
        }
        rounds[r] = (cpu_ns() - begin) / PARSES;
    }
    arena_fini(&a);
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    printf("{\"parse_us\":%.4f,\"best_us\":%.4f,\"bytes\":%zu}\n", rounds[ROUNDS / 2] / 1e3, rounds[0] / 1e3,
           sizeof(invite) - 1);
    return EXIT_SUCCESS;
}
