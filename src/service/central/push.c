#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/crypto/hash.h"

/* --- as whom --- */
void identity_init(struct identity *id)
{
    pthread_mutex_init(&id->lock, NULL);
}

void identity_fini(struct identity *id)
{
    tls_ctx_unref(id->tls);
    pthread_mutex_destroy(&id->lock);
}

static int context_new(struct slice cert_pem, struct slice key_pem, struct slice ca_pem, struct tls_ctx **ret)
{
    struct tls_config config = {.peer = TLS_PEER_REQUIRED, .trust = crypto_trust_new()};
    struct crypto_cert *cert = NULL;
    int r = crypto_trust_add(config.trust, ca_pem);
    if (r == 0)
        r = crypto_key_parse(key_pem, &config.key);
    if (r == 0)
        r = crypto_cert_parse(cert_pem, &cert);
    config.cert = cert;
    if (r == 0)
        r = tls_ctx_new(&config, ret);
    crypto_cert_unref(cert);
    crypto_key_unref(config.key);
    crypto_trust_unref(config.trust);
    return r;
}

/* Key and certificate are two files, and there is a moment between their replacements: then the context of
 * before serves. */
static int context_renew(struct identity *id, const struct buf *files, struct slice ca_pem)
{
    unsigned char seen[IDENTITY_FILES][32];
    struct tls_ctx *fresh = NULL;
    for (size_t i = 0; i < IDENTITY_FILES; i++)
        crypto_sha256(buf_slice(&files[i]), seen[i]);
    if (id->tls && memcmp(seen, id->seen, sizeof(seen)) == 0)
        return 0;
    int r = context_new(buf_slice(&files[0]), buf_slice(&files[1]), ca_pem, &fresh);
    if (r < 0)
        return id->tls ? 0 : r;
    tls_ctx_unref(id->tls);
    id->tls = fresh;
    memcpy(id->seen, seen, sizeof(seen));
    return 0;
}

int identity_take(struct identity *id, const char *folder, struct tls_ctx **ret)
{
    static const char *const names[IDENTITY_FILES] = {FILE_CERT, FILE_KEY, FILE_MACHINE};
    struct buf files[IDENTITY_FILES] = {0};
    struct bundle machine;
    struct arena a = {0};
    int r = 0;
    for (size_t i = 0; i < IDENTITY_FILES && r == 0; i++)
        r = files_read(folder, names[i], &files[i]);
    if (r == 0)
        r = bundle_machine_parse(buf_slice(&files[2]), &a, &machine);
    if (r == 0) {
        pthread_mutex_lock(&id->lock);
        r = context_renew(id, files, machine.ca_pem);
        if (r == 0)
            *ret = tls_ctx_ref(id->tls);
        pthread_mutex_unlock(&id->lock);
    }
    mem_wipe(files[1].mem, files[1].cap);
    for (size_t i = 0; i < IDENTITY_FILES; i++)
        buf_fini(&files[i]);
    arena_fini(&a);
    return r;
}

/* --- what is sent --- */
static void call(struct push *q, struct slice body, const char *url)
{
    struct tls_ctx *tls = NULL;
    q->error = identity_take(&q->p->c->identity, q->p->c->vault.folder, &tls);
    if (q->error)
        return;
    const struct http_call c = {
        .method = "POST",
        .url = url,
        .body = body,
        .content_type = "application/json",
        .connect_to = q->to,
        .local = q->from,
        .tls = tls,
        .fresh = q->fresh,
        .stop = &q->p->c->stopping,
        .timeout_ms = CENTRAL_PUSH_MS,
        .connect_timeout_ms = CENTRAL_CONNECT_MS,
    };
    http_client_call(q->p->client, &c, &q->result);
    tls_ctx_unref(tls);
}

void push_work(struct job *j)
{
    struct push *q = (struct push *)j;
    struct push_request request = {.renew = q->renew};
    struct buf sealed = {0}, body = {0}, url = {0};
    struct slice fqdn = slice_str(q->p->fqdn), key = slice_str(q->key);
    if (q->key)
        request.keys = (struct push_list){&key, 1};
    if (q->certificate)
        request.certificate = slice_str(q->certificate);
    if (q->seal_to) {
        q->error = snapshot_seal(q->snap, fqdn, q->seal_to, &sealed);
        request.revision = q->snap->text;
        request.material = buf_slice(&sealed);
        request.material_serial = q->snap->material->serial;
    }
    if (q->error == 0) {
        push_request_write(&request, &body);
        buf_printf(&url, "https://%s:%u" PUSH_PATH, q->p->fqdn, net_addr_port(&q->to));
        char *text = buf_take(&url);
        call(q, buf_slice(&body), text);
        mem_free(text);
    }
    buf_fini(&body);
    buf_fini(&sealed);
}

void push_free(struct push *q)
{
    http_result_fini(&q->result);
    snapshot_unref(q->snap);
    crypto_cert_unref(q->seal_to);
    mem_free(q->certificate);
    mem_free(q->key);
    mem_free(q);
}
