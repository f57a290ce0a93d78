#include "ground/http/http.h"

#include "ground/base/mem.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { CALL_TIMEOUT_MS = 30000, CALL_CONNECT_TIMEOUT_MS = 5000 };

/* A large body waits for the server's 100 (RFC 9110 10.1.1), for this long: a server that refuses our
 * certificate resets the connection while we send, and the reset would eat its alert. */
enum { EXPECT_FROM_BYTES = 8192, EXPECT_TIMEOUT_MS = 1000 };
enum { UPLOAD_BUFFER = 16384 }; /* a record of TLS; a client that keeps its connection keeps this too */

_Static_assert(sizeof(((struct http_result *)0)->error) >= CURL_ERROR_SIZE, "libcurl writes into it");

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        assert(!"libcurl starts");
}

/* What comes of one call. Lives as long as the handle, whose connections point to it. */
struct outcome {
    struct http_result *ret;
    size_t max_body;
    bool too_large;
    bool connected; /* there was a TCP connection; libcurl's own times say so only after the handshake of TLS
                     */
};

struct http_client {
    CURL *handle;
    struct tls_ctx *tls; /* of the connection that stands */
    struct outcome o;
};

static size_t body_came(char *p, size_t size, size_t n, void *arg)
{
    struct outcome *o = arg;
    struct http_result *ret = o->ret;
    if (size * n > o->max_body - buf_len(&ret->body)) {
        o->too_large = true;
        return 0;
    }
    buf_append_mem(&ret->body, p, size * n);
    return size * n;
}

/* libcurl asks every second, and whenever something moves. */
static int is_stopped(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct http_call *call = arg;
    (void)a, (void)b, (void)c, (void)d;
    return *call->stop;
}

static int socket_ends(void *arg, curl_socket_t fd)
{
    struct outcome *o = arg;
    struct net_addr peer;
    socklen_t len = sizeof(peer);
    if (getpeername(fd, &peer.sa, &len) == 0)
        o->connected = true;
    return close(fd);
}

/* --- what the call says --- */
static void set_method(CURL *h, const struct http_call *call)
{
    struct slice method = slice_str(call->method);
    if (call->body.n || slice_eq(method, SLICE("POST")) || slice_eq(method, SLICE("PUT"))) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body.n ? call->body.p : "");
    }
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(h, CURLOPT_EXPECT_100_TIMEOUT_MS, (long)EXPECT_TIMEOUT_MS);
}

static struct curl_slist *make_headers(const struct http_call *call)
{
    struct buf type = {0};
    buf_printf(&type, "Content-Type:%s%s", call->content_type ? " " : "",
               call->content_type ? call->content_type : "");
    buf_append_char(&type, 0);
    struct curl_slist *headers = curl_slist_append(NULL, type.mem + type.start);
    buf_fini(&type);
    return curl_slist_append(headers, call->body.n >= EXPECT_FROM_BYTES ? "Expect: 100-continue" : "Expect:");
}

/* Where to and from where; the returned list lives as long as the handle. */
static struct curl_slist *set_way(CURL *h, const struct http_call *call)
{
    struct curl_slist *to = NULL;
    char text[NET_ADDR_TEXT], option[NET_ADDR_TEXT + 16];
    curl_easy_setopt(h, CURLOPT_PROXY, ""); /* not that of the environment */
    if (call->unix_socket)
        curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, call->unix_socket);
    if (call->connect_to.sa.sa_family) {
        struct slice addr = net_addr_text(&call->connect_to, text);
        if (net_addr_port(&call->connect_to) == 0)
            addr.n--; /* the colon stays: the URL's port */
        snprintf(option, sizeof(option), "::" SLICE_FMT, SLICE_ARG(addr));
        to = curl_slist_append(NULL, option);
        curl_easy_setopt(h, CURLOPT_CONNECT_TO, to);
    }
    if (call->local.sa.sa_family) {
        net_addr_host_text(&call->local, text);
        snprintf(option, sizeof(option), "host!%s", text);
        curl_easy_setopt(h, CURLOPT_INTERFACE, option);
        curl_easy_setopt(h, CURLOPT_LOCALPORT, (long)net_addr_port(&call->local));
    }
    return to;
}

static void set_blob(CURL *h, CURLoption option, const char *pem)
{
    struct curl_blob blob = {(void *)pem, pem ? strlen(pem) : 0, CURL_BLOB_NOCOPY};
    if (pem)
        curl_easy_setopt(h, option, &blob);
}

static CURLcode lend_context(CURL *h, void *native, void *tls)
{
    (void)h;
    return tls_ctx_lend(tls, native) < 0 ? CURLE_SSL_CERTPROBLEM : CURLE_OK;
}

static void set_tls(CURL *h, const struct http_call *call)
{
    /* Both have the system's public authorities as default, and the path counts beside a blob */
    curl_easy_setopt(h, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
    set_blob(h, CURLOPT_CAINFO_BLOB, call->trust_pem);
    set_blob(h, CURLOPT_SSLCERT_BLOB, call->cert_pem);
    set_blob(h, CURLOPT_SSLKEY_BLOB, call->key_pem);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(h, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (call->tls) {
        curl_easy_setopt(h, CURLOPT_SSL_CTX_FUNCTION, lend_context);
        curl_easy_setopt(h, CURLOPT_SSL_CTX_DATA, call->tls);
    }
}

static void set_stop(CURL *h, const struct http_call *call)
{
    if (!call->stop)
        return;
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, is_stopped);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, call);
}

static void set_common(CURL *h, const struct http_call *call, struct outcome *o)
{
    curl_easy_setopt(h, CURLOPT_URL, call->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L); /* we are one thread of many */
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(call->timeout_ms ? call->timeout_ms : CALL_TIMEOUT_MS));
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(call->connect_timeout_ms ? call->connect_timeout_ms : CALL_CONNECT_TIMEOUT_MS));
    curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)o->max_body); /* as announced; as it comes: */
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, body_came);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, o);
    curl_easy_setopt(h, CURLOPT_CLOSESOCKETFUNCTION, socket_ends);
    curl_easy_setopt(h, CURLOPT_CLOSESOCKETDATA, o);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, o->ret->error);
    curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, (long)call->fresh);
    curl_easy_setopt(h, CURLOPT_MAXCONNECTS, 1L);
    curl_easy_setopt(h, CURLOPT_MAXLIFETIME_CONN, (long)HTTP_KEEP_S);
    curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
}

/* --- what came of it --- */
static const struct {
    CURLcode code;
    int failure;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST,     HTTP_NAME },
    {CURLE_COULDNT_CONNECT,          HTTP_ROUTE},
    {CURLE_INTERFACE_FAILED,         HTTP_ROUTE},
    {CURLE_SSL_CONNECT_ERROR,        HTTP_TRUST},
    {CURLE_PEER_FAILED_VERIFICATION, HTTP_TRUST},
    {CURLE_SSL_CERTPROBLEM,          HTTP_TRUST},
    {CURLE_SSL_CACERT_BADFILE,       HTTP_TRUST},
    {CURLE_SSL_ISSUER_ERROR,         HTTP_TRUST},
    {CURLE_SSL_CIPHER,               HTTP_TRUST},
    {CURLE_SSL_INVALIDCERTSTATUS,    HTTP_TRUST},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, HTTP_TRUST},
};

/* With TLS 1.3 a client is done before the server has judged its certificate. A refusal comes as an alert in
 * place of the answer, or as a reset that ate the alert when the server closed while we were sending. */
static bool turned_away(CURL *h, struct http_result *ret)
{
    static const char *const resets[] = {"reset by peer", "Broken pipe", "errno = 104", "errno = 32",
                                         "getpeername() failed"};
    curl_off_t secured = 0, answered = 0;
    curl_easy_getinfo(h, CURLINFO_APPCONNECT_TIME_T, &secured);
    curl_easy_getinfo(h, CURLINFO_STARTTRANSFER_TIME_T, &answered);
    if (secured == 0 || answered > 0)
        return false;
    if (strstr(ret->error, " alert "))
        return true;
    for (size_t i = 0; i < sizeof(resets) / sizeof(resets[0]); i++) {
        if (strstr(ret->error, resets[i])) {
            snprintf(ret->error, sizeof(ret->error),
                     "reset after the TLS handshake, without an answer: "
                     "most likely our certificate was refused");
            return true;
        }
    }
    return false;
}

/* A time that ran out before there was a connection is the fault of the way, not of the server. */
static int classify_timeout(CURL *h, const struct http_call *call, bool connected)
{
    curl_off_t named = 0;
    curl_easy_getinfo(h, CURLINFO_NAMELOOKUP_TIME_T, &named);
    if (connected)
        return HTTP_TIMEOUT;
    return named > 0 || call->unix_socket ? HTTP_ROUTE : HTTP_NAME;
}

static int classify(CURL *h, CURLcode code, const struct http_call *call, const struct outcome *o)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        return classify_timeout(h, call, o->connected);
    if ((code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && turned_away(h, o->ret))
        return HTTP_TRUST;
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (failures[i].code == code)
            return failures[i].failure;
    return HTTP_OTHER;
}

static int64_t answer_date(CURL *h)
{
    struct curl_header *date;
    if (curl_easy_header(h, "Date", 0, CURLH_HEADER, -1, &date) != CURLHE_OK)
        return 0;
    time_t seconds = curl_getdate(date->value, NULL);
    return seconds > 0 ? (int64_t)seconds * 1000 : 0;
}

static void take_redirect(CURL *h, struct http_result *ret)
{
    char *url = NULL;
    curl_easy_getinfo(h, CURLINFO_REDIRECT_URL, &url);
    if (url && strlen(url) <= HTTP_MAX_REDIRECT)
        memcpy(ret->redirect, url, strlen(url) + 1);
}

static void take_result(CURL *h, CURLcode code, const struct http_call *call, const struct outcome *o)
{
    struct http_result *ret = o->ret;
    ret->peer_date_ms = answer_date(h);
    if (code == CURLE_OK) {
        long status = 0;
        curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
        ret->status = (unsigned)status;
        ret->error[0] = 0;
        take_redirect(h, ret);
        return;
    }
    if (o->too_large || code == CURLE_FILESIZE_EXCEEDED)
        snprintf(ret->error, sizeof(ret->error), "the answer is larger than %zu bytes", o->max_body);
    else if (!ret->error[0])
        snprintf(ret->error, sizeof(ret->error), "%s", curl_easy_strerror(code));
    ret->failure = classify(h, code, call, o);
    buf_fini(&ret->body);
}

/* --- clients --- */
static void client_open(struct http_client *k)
{
    pthread_once(&global_once, global_init);
    k->handle = curl_easy_init();
    assert(k->handle);
}

static void client_close(struct http_client *k)
{
    curl_easy_cleanup(k->handle); /* and its connections */
    tls_ctx_unref(k->tls);
    k->handle = NULL;
    k->tls = NULL;
}

/* libcurl compares the texts of a connection's certificates, but knows nothing of a context that was lent. */
static void client_take_context(struct http_client *k, struct tls_ctx *tls)
{
    if (k->tls == tls)
        return;
    client_close(k);
    client_open(k);
    k->tls = tls ? tls_ctx_ref(tls) : NULL;
}

void http_client_call(struct http_client *k, const struct http_call *call, struct http_result *ret)
{
    memset(ret, 0, sizeof(*ret));
    client_take_context(k, call->tls);
    CURL *h = k->handle;
    k->o = (struct outcome){.ret = ret, .max_body = call->max_body ? call->max_body : HTTP_MAX_BODY};
    struct curl_slist *headers = make_headers(call);
    curl_easy_reset(h);
    set_common(h, call, &k->o);
    set_stop(h, call);
    set_method(h, call);
    set_tls(h, call);
    struct curl_slist *to = set_way(h, call);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    take_result(h, curl_easy_perform(h), call, &k->o);
    curl_easy_reset(h); /* it points to nothing of this call's */
    curl_slist_free_all(headers);
    curl_slist_free_all(to);
}

struct http_client *http_client_new(void)
{
    struct http_client *k = MEM_NEW(struct http_client);
    client_open(k);
    return k;
}

void http_client_free(struct http_client *k)
{
    if (!k)
        return;
    client_close(k);
    mem_free(k);
}

void http_call(const struct http_call *call, struct http_result *ret)
{
    struct http_client k = {0};
    client_open(&k);
    http_client_call(&k, call, ret);
    client_close(&k);
}

void http_result_fini(struct http_result *r)
{
    buf_fini(&r->body);
    r->error[0] = 0;
}
