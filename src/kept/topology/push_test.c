#include "kept/topology/push.h"

#include "ground/base/test.h"

#include <errno.h>

TEST(request_round_trip)
{
    struct arena a = {0};
    struct buf text = {0};
    struct push_request q = {
        .revision = SLICE("{\"number\":1}"),
        .material = {"\0\1\377", 3},
        .material_serial = 9,
        .certificate = SLICE("PEM\n")
    };
    struct push_request p = {0};
    push_request_write(&q, &text);
    CHECK_INT(push_request_parse(buf_slice(&text), &a, &p), 0);
    CHECK_SLICE(p.revision, q.revision);
    CHECK_SLICE(p.material, q.material);
    CHECK_SLICE(p.certificate, q.certificate);
    CHECK_INT(p.material_serial, 9);
    buf_clear(&text, 0);
    push_request_write(&(struct push_request){0}, &text);
    CHECK_INT(push_request_parse(buf_slice(&text), &a, &p), 0);
    CHECK_INT(p.revision.n + p.material.n + p.certificate.n, 0);
    buf_fini(&text);
    arena_fini(&a);
}

TEST(answer_round_trip)
{
    struct arena a = {0};
    struct buf text = {0};
    struct json_value *state = json_object(&a);
    json_set_int(&a, state, "connections", 3);
    struct push_answer w = {.fqdn = SLICE("a.example"),
                            .revision = 12,
                            .hash = SLICE("ab"),
                            .material = 4,
                            .names_ok = true,
                            .request = SLICE("CSR"),
                            .time_ms = 1234567890123,
                            .error_id = SLICE("replica.older"),
                            .error_text = SLICE("It is \"older\"."),
                            .state = state};
    struct push_answer p = {0};
    push_answer_write(&w, &a, &text);
    CHECK_INT(push_answer_parse(buf_slice(&text), &a, &p), 0);
    CHECK_STR(p.fqdn, "a.example");
    CHECK_INT(p.revision, 12);
    CHECK_INT(p.material, 4);
    CHECK(p.names_ok);
    CHECK_STR(p.request, "CSR");
    CHECK_INT(p.time_ms, 1234567890123);
    CHECK_STR(p.error_id, "replica.older");
    CHECK_SLICE(p.error_text, w.error_text);
    CHECK_INT(json_get_int(p.state, "connections", 0), 3);
    buf_fini(&text);
    arena_fini(&a);
}

TEST(keys_round_trip)
{
    struct arena a = {0};
    struct buf text = {0};
    const struct slice names[] = {SLICE("sip.a.example"), SLICE("a.example")};
    const struct push_list list = {names, 2};
    struct push_request p = {0}, sent = {.keys = list};
    struct push_answer w =
                           {
                               .fqdn = SLICE("a.example"), .holds = list, .lacks = {names, 1}
    },
                       x = {0};
    struct key_request q = {
        .pool = SLICE("p"), .names = list, .passphrase = {"\0\377", 2},
                .old_windows = true
    };
    struct key_request got = {0};
    struct key_answer k =
                          {
                              .sealed = {"\1\0", 2},
                                .error_id = SLICE("replica.no-key")
    },
                      y = {0};
    push_request_write(&sent, &text);
    CHECK_INT(push_request_parse(buf_slice(&text), &a, &p), 0);
    CHECK_INT(p.keys.n, 2);
    CHECK_STR(p.keys.items[1], "a.example");
    buf_clear(&text, 0);
    push_answer_write(&w, &a, &text);
    CHECK_INT(push_answer_parse(buf_slice(&text), &a, &x), 0);
    CHECK(x.holds.n == 2 && x.lacks.n == 1 && slice_eq(x.lacks.items[0], names[0]));
    buf_clear(&text, 0);
    key_request_write(&q, &text);
    CHECK_INT(key_request_parse(buf_slice(&text), &a, &got), 0);
    CHECK_SLICE(got.passphrase, q.passphrase);
    CHECK(got.names.n == 2 && got.old_windows && slice_eq(got.pool, q.pool));
    buf_clear(&text, 0);
    key_answer_write(&k, &text);
    CHECK_INT(key_answer_parse(buf_slice(&text), &a, &y), 0);
    CHECK_SLICE(y.sealed, k.sealed);
    CHECK_STR(y.error_id, "replica.no-key");
    CHECK_INT(key_request_parse(SLICE("{\"format\":1,\"names\":[1]}"), &a, &got), -EBADMSG);
    buf_fini(&text);
    arena_fini(&a);
}

TEST(bundle_round_trip)
{
    struct arena a = {0};
    struct buf text = {0};
    struct bundle b = {
        .fqdn = SLICE("a.example"),
        .central_fqdn = SLICE("c.example"),
        .address = SLICE("127.0.0.1"),
        .port = 4443,
        .ca_pem = SLICE("CA"),
        .signer_pem = SLICE("SIGNER"),
        .cert_pem = SLICE("CERT"),
        .key_pem = SLICE("KEY"),
        .revision = SLICE("{}"),
        .material = {"\0x", 2}
    };
    struct bundle p = {0};
    bundle_write(&b, &text);
    CHECK_INT(bundle_parse(buf_slice(&text), &a, &p), 0);
    CHECK_STR(p.key_pem, "KEY");
    CHECK_SLICE(p.material, b.material);
    buf_clear(&text, 0);
    bundle_machine_write(&b, &text);
    CHECK(slice_search(buf_slice(&text), SLICE("KEY")) == SIZE_MAX);
    CHECK(bundle_parse(buf_slice(&text), &a, &p) < 0);
    CHECK_INT(bundle_machine_parse(buf_slice(&text), &a, &p), 0);
    CHECK_STR(p.signer_pem, "SIGNER");
    CHECK_STR(p.cert_pem, "CERT");
    CHECK_INT(p.port, 4443);
    buf_fini(&text);
    arena_fini(&a);
}

TEST(refuses_what_is_no_push)
{
    static const char *bad[] = {
        "",
        "{}",
        "[1]",
        "{\"format\":2}",
        "{\"format\":1,\"revision\":1}",
        "{\"format\":1,\"material\":\"!\"}",
        "{\"format\":1,\"material_serial\":-1}",
        "{\"format\":1,\"material_serial\":9007199254740993}",
        "{\"format\":1,\"certificate\":null}",
    };
    struct arena a = {0};
    struct push_request q;
    struct push_answer w;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (push_request_parse(slice_str(bad[i]), &a, &q) == 0)
            TEST_DIAG("taken: %s", bad[i]);
        if (push_answer_parse(slice_str(bad[i]), &a, &w) == 0)
            TEST_DIAG("taken as answer: %s", bad[i]);
    }
    arena_fini(&a);
}

/* A name that must be there says something. */
TEST(refuses_an_answer_of_nobody)
{
    struct arena a = {0};
    struct push_answer w;
    CHECK_INT(push_answer_parse(
                  SLICE("{\"format\":1,\"fqdn\":\"m.test\",\"revision\":1,\"material\":1,\"names_ok\":true}"),
                  &a, &w),
              0);
    CHECK_INT(
        push_answer_parse(
            SLICE("{\"format\":1,\"fqdn\":\"\",\"revision\":1,\"material\":1,\"names_ok\":true}"), &a, &w),
        -EBADMSG);
    arena_fini(&a);
}

TEST_MAIN(request_round_trip, answer_round_trip, keys_round_trip, bundle_round_trip, refuses_what_is_no_push,
          refuses_an_answer_of_nobody)
