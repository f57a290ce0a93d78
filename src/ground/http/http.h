/*
 * http/http.h - HTTP/1.1 server (libevent) and client (libcurl), over TCP with mutual TLS or a UNIX socket.
 *
 * The server lives on one loop. A handler answers at once or later (http_respond from the same loop); a
 * request whose connection or server went away in between is still answered with http_respond, which then
 * only frees it. Connections are kept alive and closed when idle for 30 s; requests that are no HTTP, too
 * large or of another method than GET, POST, PUT and DELETE are refused (400, 413, 501) before the handler.
 * The client blocks: call it on a helper thread. It knows no proxy and no redirect, and trusts no authority
 * but the caller's.
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/base/buf.h"
#include "ground/crypto/tls.h"
#include "ground/loop/loop.h"
#include "ground/net/addr.h"

enum { HTTP_MAX_BODY = 64 << 20, HTTP_MAX_HEADERS = 16384, HTTP_MAX_REDIRECT = 512 };

struct http_server;
struct http_request;
typedef void http_handler(void *arg, struct http_request *rq);

/* Method, path (decoded, without query), body live until http_respond. */
struct slice http_method(const struct http_request *rq); /* "GET", "POST", "PUT", "DELETE" */
struct slice http_path(const struct http_request *rq);
/* Decoded; the first of that name; NONE when absent, empty text when it has no value. */
struct slice http_query(const struct http_request *rq, const char *name);
struct slice http_body(const struct http_request *rq);
struct arena *http_arena(struct http_request *rq);
/* The peer's verified certificate; NULL over a UNIX socket or without one. */
const struct crypto_cert *http_peer_cert(const struct http_request *rq);
/* Where it came from; false over a UNIX socket, or when the connection is gone. */
bool http_peer_addr(const struct http_request *rq, struct net_addr *ret);
/* Copies body; content_type NULL: application/octet-stream, none without a body. */
void http_respond(struct http_request *rq, unsigned status, const char *content_type, struct slice body);

/* 0 or negative errno. tls NULL: plain HTTP (loopback tests only). */
int http_server_new(struct loop *l, const struct net_addr *addr, struct tls_ctx *tls, http_handler *handler,
                    void *arg, struct http_server **ret);
/* A UNIX socket with mode 0660 or as given; an old socket file at path is replaced. -EADDRINUSE when a
 * process listens there, -EEXIST when something else lies there. */
int http_server_unix_new(struct loop *l, const char *path, unsigned mode, http_handler *handler, void *arg,
                         struct http_server **ret);
/* With the port that port 0 became; family 0 for a UNIX socket. */
const struct net_addr *http_server_addr(const struct http_server *s);
/* New TLS context for new connections; those that stand go on. Only for a server that has TLS. */
void http_server_set_tls(struct http_server *s, struct tls_ctx *tls);
/* Closes all connections at once. On the loop (or when it does not run), never within a handler; NULL is
 * fine. */
void http_server_free(struct http_server *s);

struct http_call {
    const char *method;      /* "POST" */
    const char *unix_socket; /* path, or NULL */
    const char *url;         /* https://host:port/path; with unix_socket: http://local/path */
    struct slice body;
    const char *content_type;
    struct net_addr connect_to; /* sa.sa_family != 0: connect there whatever the URL's host resolves to */
    struct net_addr local;      /* sa.sa_family != 0: bind to it */
    /* mutual TLS: PEM texts; the peer's certificate must be from `trust_pem` and name the URL's host */
    const char *cert_pem, *key_pem, *trust_pem;
    /* in their place, decoded once for many calls: those of a client's context; NULL: none. Referenced as
     * long as a connection made with it stands. */
    struct tls_ctx *tls;
    bool fresh;               /* by a new connection, whatever stands */
    const _Atomic bool *stop; /* once true, the call ends within about a second (HTTP_OTHER); may be NULL */
    size_t max_body;          /* of the answer; 0: HTTP_MAX_BODY */
    unsigned timeout_ms;      /* whole call; 0: 30,000 */
    unsigned connect_timeout_ms; /* 0: 5,000 */
};
struct http_result {
    unsigned status; /* 0: no answer */
    struct buf body; /* caller frees with http_result_fini */
    enum {
        HTTP_OK,
        HTTP_NAME,  /* the host's name leads to no address */
        HTTP_ROUTE, /* no TCP connection: refused, unreachable, or no answer within connect_timeout_ms */
        HTTP_TRUST, /* no TLS: one side did not like the other's certificate, name, version; no TLS spoken */
        HTTP_TIMEOUT,                     /* connected, then too slow */
        HTTP_OTHER                        /* broken off, not HTTP, answer too large, URL not understood */
    } failure;                            /* why status is 0 */
    char error[256];                      /* words for it; empty with a status */
    char redirect[HTTP_MAX_REDIRECT + 1]; /* where a status 3xx leads, whole; empty: nowhere, or too long */
    int64_t peer_date_ms; /* of the answer's Date header, 0 without: how far clocks are apart */
};
void http_call(const struct http_call *call, struct http_result *ret);
/* A client that keeps the connection of its last call for the next one, when that goes to the same place with
 * the same context; for HTTP_KEEP_S at the longest, so that both ends are asked for their certificates again.
 * A connection that the server closed meanwhile is replaced unseen. One call at a time. */
struct http_client;
enum { HTTP_KEEP_S = 600 };
struct http_client *http_client_new(void);
void http_client_call(struct http_client *k, const struct http_call *call, struct http_result *ret);
void http_client_free(struct http_client *k); /* NULL is fine */
void http_result_fini(struct http_result *r);
