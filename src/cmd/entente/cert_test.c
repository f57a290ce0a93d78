#include "ground/base/test.h"

#include "cmd/entente/fake_for_test.h"
#include "ground/base/text.h"
#include "ground/crypto/pki_for_test.h"
#include "ground/crypto/tls.h"

#include <arpa/inet.h>

/* --- files --- */
static char *file_with(const char *name, struct slice text)
{
    char *path = mem_alloc(160);
    snprintf(path, 160, "%s/%s", fake.folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(write(fd, text.p, text.n) == (ssize_t)text.n);
    close(fd);
    return path;
}

static void drop(char *path)
{
    unlink(path);
    mem_free(path);
}

TEST(files_go_as_text_or_base64)
{
    static const struct row rows[] = {
        {"POST", "/v1/certificates",        200,
         "{\"pool\":\"p.example\",\"name\":\"x\",\"assigned\":false,\"findings\":[{\"id\":\"certificate.no-"
         "san\","
         "\"severity\":\"warning\",\"text\":\"T.\"}]}"                                                   },
        {"POST", "/v1/certificates/assign", 404, "{\"id\":\"certificate.unknown-name\",\"text\":\"No.\"}"},
        {NULL,   NULL,                      0,   NULL                                                    }
    };
    struct ran r;
    fake_start(rows);
    char *pem = file_with("c.pem", SLICE("-----BEGIN X-----\n")), *p12 = file_with("c.p12", SLICE("\1\2\3"));
    char *pass = file_with("pass", SLICE("Secret12\n"));
    char *key = file_with("k.pem", SLICE("Bag \xfc\n-----BEGIN K-----\n"));
    RUN(&r, "cert", "import", "p.example", pem, key, "--use", "xmpp-external");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK(asked("{\"pool\":\"p.example\",\"use\":\"xmpp-external\",\"cert_pem\":\"-----BEGIN X-----\\n\","
                "\"key_pem\":\"-----BEGIN K-----\\n\"}"));
    CHECK_HAS(r.err, "warning certificate.no-san: T.");
    CHECK_HAS(r.out, "kept as x");
    ran_fini(&r);
    drop(key);
    RUN(&r, "cert", "import", "p.example", pem, pass);
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "holds no private key in PEM form");
    ran_fini(&r);
    RUN(&r, "cert", "import", "p.example", p12, "--name", "x", "--passphrase-file", pass);
    CHECK_INT(r.code, EXIT_DONE);
    CHECK(asked(
        "{\"pool\":\"p.example\",\"name\":\"x\",\"cert_base64\":\"AQID\",\"passphrase\":\"Secret12\"}"));
    ran_fini(&r);
    RUN(&r, "cert", "assign", "p.example", "nothing");
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(certificate.unknown-name)");
    ran_fini(&r);
    RUN(&r, "cert", "assign", "p.example", p12); /* no name of one that is kept, but a file */
    CHECK_INT(r.code, EXIT_DONE);
    CHECK(asked("{\"pool\":\"p.example\",\"cert_base64\":\"AQID\"}"));
    ran_fini(&r);
    drop(pem);
    drop(p12);
    drop(pass);
    fake_stop();
}

TEST(an_export_is_for_its_owner_alone)
{
    static const struct row rows[] = {
        {"POST", "/v1/certificates/export", 200,
         "{\"certificate\":\"a (serial 1)\",\"p12_base64\":\"AQID\"}"},
        {NULL,   NULL,                      0,   NULL                }
    };
    struct ran r;
    struct stat st;
    fake_start(rows);
    char *pass = file_with("pass", SLICE("Secret12\n")), *out = file_with("out.p12", SLICE("old"));
    chmod(out, 0644);
    RUN(&r, "cert", "export", "p.example", "-o", out, "--passphrase-file", pass, "--old-windows", "--json");
    CHECK_INT(r.code, EXIT_DONE);
    CHECK(asked("{\"pool\":\"p.example\",\"old_windows\":true,\"passphrase\":\"Secret12\"}"));
    CHECK_INT(stat(out, &st), 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK_INT(st.st_size, 3);
    CHECK(!has(r.out, "AQID"));
    ran_fini(&r);
    RUN(&r, "cert", "export", "p.example", "-o", out); /* nobody there to ask */
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(secret.missing)");
    ran_fini(&r);
    RUN(&r, "cert", "export", "-o", out);
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(certificate.which)");
    ran_fini(&r);
    drop(pass);
    drop(out);
    fake_stop();
}

/* --- check: against a server of this process --- */
struct server {
    int fd;
    struct tls_ctx *ctx;
};

static void *serve_one(void *arg)
{
    struct server *s = arg;
    struct tls *t = tls_new(s->ctx, SLICE_NONE);
    struct buf plain = {0}, net = {0};
    char in[16384];
    int fd = accept(s->fd, NULL, NULL);
    for (ssize_t n; (n = recv(fd, in, sizeof(in), 0)) > 0;) {
        enum tls_result r = tls_feed(t, slice_mem(in, (size_t)n), &plain, &net);
        struct slice out = buf_slice(&net);
        if (send(fd, out.p, out.n, MSG_NOSIGNAL) < 0 || r != TLS_OK)
            break;
        buf_clear(&net, SIZE_MAX);
    }
    close(fd);
    tls_free(t);
    buf_fini(&plain);
    buf_fini(&net);
    return NULL;
}

static void check_served(struct ran *r, const struct pki_id *id, enum tls_peer peer, const char *root)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    struct server s = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const struct tls_config config = {.server = true, .key = id->key, .cert = id->cert, .peer = peer};
    pthread_t thread;
    char text[64];
    CHECK(bind(s.fd, (struct sockaddr *)&at, n) == 0 && listen(s.fd, 1) == 0);
    CHECK_INT(getsockname(s.fd, (struct sockaddr *)&at, &n), 0);
    CHECK_INT(tls_ctx_new(&config, &s.ctx), 0);
    CHECK_INT(pthread_create(&thread, NULL, serve_one, &s), 0);
    snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(at.sin_port));
    RUN(r, "cert", "check", text, "--name", "sip.a.example", "--root", root);
    pthread_join(thread, NULL);
    close(s.fd);
    tls_ctx_unref(s.ctx);
}

TEST(a_server_is_looked_at)
{
    static const struct row rows[] = {
        {NULL, NULL, 0, NULL}
    };
    struct ran r;
    fake_start(rows);
    struct pki_id ca = pki_ca("Root"), stranger = pki_ca("Stranger");
    struct slice name = SLICE("sip.a.example");
    const struct crypto_request_names names = {.common_name = name, .dns = &name, .n_dns = 1};
    struct pki_id good = pki_leaf(&ca, &names, pki_now() + 100 * 24 * PKI_HOUR);
    struct pki_id other = pki_host(&stranger, "b.example");
    struct buf pem = {0};
    crypto_cert_write(ca.cert, &pem);
    char *root = file_with("root.pem", buf_slice(&pem));
    check_served(&r, &good, TLS_PEER_NONE, root);
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "names sip.a.example:");
    CHECK_HAS(r.out, "nothing is wrong with it");
    ran_fini(&r);
    check_served(&r, &good, TLS_PEER_REQUIRED, root); /* it wants a certificate of ours: shown all the same */
    CHECK_INT(r.code, EXIT_DONE);
    CHECK_HAS(r.out, "nothing is wrong with it");
    ran_fini(&r);
    check_served(&r, &other, TLS_PEER_NONE, root);
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.out, "error certificate.untrusted");
    CHECK_HAS(r.out, "error certificate.name");
    CHECK_HAS(r.out, "warning certificate.expires-soon");
    ran_fini(&r);
    RUN(&r, "cert", "check", "sip.a.example", "--root", root);
    CHECK_INT(r.code, EXIT_REFUSED);
    CHECK_HAS(r.err, "(check.address)");
    ran_fini(&r);
    RUN(&r, "cert", "check", "127.0.0.1:1", "--root", root);
    CHECK_HAS(r.err, "(check.connect)");
    ran_fini(&r);
    drop(root);
    buf_fini(&pem);
    pki_fini(&ca);
    pki_fini(&stranger);
    pki_fini(&good);
    pki_fini(&other);
    fake_stop();
}

TEST_MAIN(files_go_as_text_or_base64, an_export_is_for_its_owner_alone, a_server_is_looked_at)
