/* REGISTER with digest (RFC 2617, MD5, qop auth): the first of a user is challenged, the following use its
 * nonce again, counting. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/sipload.h"
#include "load/write.h"

enum { MD5_TEXT = 33, NONCE_MAX = 160, CNONCE = 0x5eed };

struct account {
    char name[16];
    char ha1[MD5_TEXT], nonce[NONCE_MAX];
    unsigned cseq, count;
    bool busy; /* one at a time for a user: CSeq must grow */
    struct slot *slot;
};
static struct account *accounts;

static void md5_hex(const char *text, char to[MD5_TEXT])
{
    unsigned char d[EVP_MAX_MD_SIZE];
    unsigned n;
    if (EVP_Digest(text, strlen(text), d, &n, EVP_md5(), NULL) != 1)
        die("MD5 is not to be had");
    for (unsigned i = 0; i < n; i++)
        snprintf(to + 2 * (size_t)i, 3, "%02x", d[i]);
}

void register_init(void)
{
    char text[256];
    accounts = calloc((size_t)opt.users, sizeof *accounts);
    if (!accounts)
        die("out of memory");
    for (int i = 0; i < opt.users; i++) {
        snprintf(accounts[i].name, sizeof accounts[i].name, "u%05x", i);
        snprintf(text, sizeof text, "%s:%s:%s", accounts[i].name, opt.domain, opt.password);
        md5_hex(text, accounts[i].ha1);
        accounts[i].cseq = (unsigned)(now_ns() / 10000000ull); /* above those of an earlier run */
    }
}

static void add_credentials(struct account *a)
{
    char ha2[MD5_TEXT], response[MD5_TEXT], text[512];
    snprintf(text, sizeof text, "REGISTER:sip:%s", opt.domain);
    md5_hex(text, ha2);
    a->count++;
    snprintf(text, sizeof text, "%s:%s:%08x:%x:auth:%s", a->ha1, a->nonce, a->count, CNONCE, ha2);
    md5_hex(text, response);
    snprintf(text, sizeof text,
             "Authorization: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"sip:%s\", "
             "response=\"%s\", algorithm=MD5, cnonce=\"%x\", qop=auth, nc=%08x\r\n",
             a->name, opt.domain, a->nonce, opt.domain, response, CNONCE, a->count);
    lit(text);
}

static void transmit(struct slot *s)
{
    struct account *a = &accounts[s->user];
    s->cseq = ++a->cseq;
    a_request(s, "REGISTER", NULL);
    a_contact(s);
    lit("Expires: 3600\r\n");
    if (a->nonce[0])
        add_credentials(a);
    no_body();
    a_transmit(s);
}

void register_start(struct slot *s)
{
    for (int i = 0; accounts[s->user].busy && i < opt.users; i += opt.conns)
        s->user = (s->user + (uint32_t)opt.conns) % (uint32_t)opt.users; /* of the same connection */
    if (accounts[s->user].busy)
        die("more REGISTERs under way than users");
    accounts[s->user].busy = true;
    accounts[s->user].slot = s;
    transmit(s);
}

struct slot *register_slot(uint64_t user)
{
    struct slot *s = user < (uint64_t)opt.users ? accounts[user].slot : NULL;
    return s && s->busy && s->user == user ? s : NULL;
}

/* The first challenge whose algorithm we have. */
static bool take_nonce(struct account *a, const struct sip *m)
{
    for (int i = 0; i < m->nchallenge; i++) {
        char line[512], *nonce, *end;
        snprintf(line, sizeof line, "%.*s", (int)m->challenge[i].n, m->challenge[i].p);
        if (strstr(line, "algorithm=SHA") || !(nonce = strstr(line, "nonce=\"")) ||
            !(end = strchr(nonce + 7, '"')))
            continue;
        *end = 0;
        snprintf(a->nonce, sizeof a->nonce, "%s", nonce + 7);
        a->count = 0;
        return true;
    }
    return false;
}

void register_reply(struct slot *s, const struct sip *m, const char *raw)
{
    struct account *a = &accounts[s->user];
    if (m->status < 200)
        return;
    if (m->status == 401 && !s->challenged && take_nonce(a, m)) {
        s->challenged = true;
        s->tx++;
        tally.challenges += tally.measuring;
        transmit(s);
        return;
    }
    a->busy = false;
    if (m->status != 200 || !m->contact.n) {
        a_fail(s, "not registered", m, raw);
        return;
    }
    a_latency(s);
    a_finish(s);
}
