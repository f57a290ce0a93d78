/* The access log: a JSON line for each server transaction, when it is over; and for each request that was
 * answered or dropped without one. */
#include "element/flow.h"
#include "element/shard.h"
#include "ground/crypto/hash.h"

#include <stdio.h>
#include <time.h>

enum { ACCESS_MAX_VALUE = 256, ACCESS_HASH_BYTES = 8 };

static void put_text(struct buf *out, const char *name, struct slice value)
{
    if (value.n == 0)
        return;
    buf_printf(out, ",\"%s\":\"", name);
    log_put_json(out, value, ACCESS_MAX_VALUE);
    buf_append_char(out, '"');
}

static void put_number(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",\"%s\":", name);
    buf_append_u64(out, value);
}

static void put_ms(struct buf *out, const char *name, uint64_t us)
{
    buf_printf(out, ",\"%s\":%llu.%03llu", name, (unsigned long long)(us / 1000),
               (unsigned long long)(us % 1000));
}

static void put_user(struct buf *out, const char *name, const struct access_log *l, const struct sip_uri *uri)
{
    if (!uri->has_user || l->users == ACCESS_USERS_NONE)
        return;
    if (l->users == ACCESS_USERS_WHOLE) {
        put_text(out, name, uri->user);
        return;
    }
    unsigned char hash[CRYPTO_SHA256];
    struct buf hex = {0};
    struct slice parts[] = {uri->user, SLICE("@"), uri->host};
    crypto_hmac_sha256(slice_mem(l->salt, ACCESS_SALT), parts, sizeof(parts) / sizeof(parts[0]), hash);
    text_hex(&hex, hash, ACCESS_HASH_BYTES);
    put_text(out, name, buf_slice(&hex));
    buf_fini(&hex);
}

/* The text of a second is made once. */
static void put_time(struct buf *out)
{
    static _Thread_local struct {
        time_t second;
        char text[32];
    } last;
    int64_t now = loop_wall();
    time_t second = now / 1000;
    if (second != last.second) {
        struct tm tm;
        gmtime_r(&second, &tm);
        strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S", &tm);
        last.second = second;
    }
    buf_printf(out, "{\"time\":\"%s.%03dZ\"", last.text, (int)(now % 1000));
}

static void put_begin(struct buf *out, const struct element_config *c)
{
    buf_reserve(out, 1024);
    put_time(out);
    put_text(out, "machine", c->machine);
}

static void put_source(struct buf *out, const struct source *src, const struct flow *f)
{
    char addr[NET_ADDR_TEXT];
    put_text(out, "side", src->side == SIDE_EXTERNAL ? SLICE("external") : SLICE("internal"));
    put_text(out, "transport", slice_str(sip_transport_name(src->transport)));
    put_text(out, "peer", net_addr_text(&src->from, addr));
    if (f && f->stream && f->transport == SIP_TLS) {
        put_text(out, "tls", slice_str(stream_tls_version(f->stream)));
        put_text(out, "cipher", slice_str(stream_tls_cipher(f->stream)));
    }
}

static void put_names(struct buf *out, const struct access_log *l, const struct sip_msg *m)
{
    put_text(out, "method", m->method_name);
    put_text(out, "call_id", m->call_id);
    if (m->cseq_method_name.n)
        put_number(out, "cseq", m->cseq);
    put_text(out, "from_domain", m->from.uri.host);
    put_user(out, "from_user", l, &m->from.uri);
    put_text(out, "to_domain", m->to.uri.host);
    put_user(out, "to_user", l, &m->to.uri);
    buf_append(out, m->to_tag.n ? SLICE(",\"dialog\":true") : SLICE(",\"dialog\":false"));
}

static void put_end(struct buf *out, const struct element_config *c)
{
    put_number(out, "revision", c->revision);
    buf_append(out, SLICE("}\n"));
    journal_write(c->access.journal, buf_slice(out));
    buf_fini(out);
}

static void put_outcome(struct buf *out, const struct request *rq, uint64_t took_us)
{
    const struct request_account *a = &rq->account;
    char addr[NET_ADDR_TEXT];
    put_number(out, "status", rq->last_status >= 200 ? rq->last_status : 0);
    if (a->refusal)
        put_text(out, "refusal", slice_str(a->refusal->id));
    if (a->attempts && a->target.sa.sa_family != AF_UNSPEC)
        put_text(out, "target", net_addr_text(&a->target, addr));
    put_number(out, "attempts", a->attempts);
    if (a->provisional_us)
        put_ms(out, "provisional_ms", a->provisional_us - a->began_us);
    put_ms(out, "final_ms", took_us);
    if (a->answered)
        put_ms(out, "upstream_ms", a->answered_us);
    put_number(out, "bytes_in", rq->msg.text.n);
    put_number(out, "bytes_out", a->bytes_out);
}

void access_write(const struct request *rq, const struct request_record *r, uint64_t took_us)
{
    const struct element_config *c = rq->config;
    struct buf out = {0};
    put_begin(&out, c);
    put_text(&out, "direction", slice_str(record_direction_name(r->direction)));
    put_source(&out, &rq->src, request_flow(rq));
    put_names(&out, &c->access, &rq->msg);
    put_text(&out, "partner", r->partner);
    if (r->monitored)
        buf_append(&out, SLICE(",\"monitored\":true"));
    put_text(&out, "rule", r->rule);
    put_text(&out, "pool", r->pool);
    put_outcome(&out, rq, took_us);
    put_end(&out, c);
}

void access_stateless(const struct source *src, const struct sip_msg *m, const struct access_short *w)
{
    const struct element_config *c = src->s->config;
    struct buf out = {0};
    if (!c->access.journal || c->access.only_monitored)
        return;
    put_begin(&out, c);
    put_source(&out, src, src->flow);
    if (m)
        put_names(&out, &c->access, m);
    put_number(&out, "status", w->status);
    if (w->refusal)
        put_text(&out, "refusal", slice_str(w->refusal->id));
    if (w->flaw != SIP_FLAW_NONE)
        put_text(&out, "flaw", slice_str(sip_flaw_id(w->flaw)));
    put_text(&out, "limit", slice_str(w->limit));
    if (w->times)
        put_number(&out, "times", w->times);
    if (m)
        put_number(&out, "bytes_in", m->text.n);
    put_end(&out, c);
}
