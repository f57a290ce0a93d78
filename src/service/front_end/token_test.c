#include "service/front_end/token.h"

#include "ground/base/test.h"

#include <errno.h>

static const unsigned char key[TOKEN_KEY] = "k1", other_key[TOKEN_KEY] = "k2";
static const struct sip_msg from_caller = {
    .call_id = SLICE_INIT("c@h"), .from_tag = SLICE_INIT("a1"), .to_tag = SLICE_INIT("b1")};
static const struct sip_msg from_callee = {
    .call_id = SLICE_INIT("c@h"), .from_tag = SLICE_INIT("b1"), .to_tag = SLICE_INIT("a1")};

static struct slice made(struct buf *out)
{
    struct token t = {
        .caller = {.aor = SLICE("alice@contoso.example"), .registered = true, .flow = {3, 70000, UINT64_MAX}},
        .callee = {.aor = SLICE("bob@contoso.example")      },
    };
    CHECK_INT(net_addr_parse(SLICE("2001:db8::1"), 5060, &t.callee.source), 0);
    token_write(key, &t, SLICE("c@h"), SLICE("a1"), out);
    return buf_slice(out);
}

TEST(both_directions)
{
    struct buf out = {0};
    struct arena a = {0};
    struct token t;
    bool caller = false;
    char addr[NET_ADDR_TEXT];
    struct slice text = made(&out);
    CHECK_INT(token_read(key, text, &from_caller, &a, &t, &caller), 0);
    CHECK(caller);
    CHECK_STR(t.caller.aor, "alice@contoso.example");
    CHECK(t.caller.registered && !t.callee.registered);
    CHECK(t.caller.flow.worker == 3 && t.caller.flow.slot == 70000 && t.caller.flow.generation == UINT64_MAX);
    CHECK_INT(t.caller.source.sa.sa_family, 0);
    CHECK_STR(t.callee.aor, "bob@contoso.example");
    CHECK(t.callee.flow.generation == 0);
    CHECK_STR(net_addr_text(&t.callee.source, addr), "[2001:db8::1]:5060");
    CHECK_INT(token_read(key, text, &from_callee, &a, &t, &caller), 0);
    CHECK(!caller);
    arena_fini(&a);
    buf_fini(&out);
}

TEST(of_another_dialog_or_key)
{
    struct buf out = {0};
    struct arena a = {0};
    struct token t;
    bool caller;
    struct slice text = made(&out);
    struct sip_msg m = from_caller;
    CHECK_INT(token_read(other_key, text, &m, &a, &t, &caller), -EBADMSG);
    m.call_id = SLICE("c@i");
    CHECK_INT(token_read(key, text, &m, &a, &t, &caller), -EBADMSG);
    m = from_caller;
    m.from_tag = SLICE("a2");
    CHECK_INT(token_read(key, text, &m, &a, &t, &caller), -EBADMSG);
    arena_fini(&a);
    buf_fini(&out);
}

TEST(altered_or_cut)
{
    struct buf out = {0};
    struct arena a = {0};
    struct token t;
    bool caller;
    struct slice text = made(&out);
    char *copy = slice_dup(text);
    for (size_t i = 0; i < text.n; i++) {
        CHECK_INT(token_read(key, slice_head(text, i), &from_caller, &a, &t, &caller), -EBADMSG);
        copy[i] = text.p[i] == 'A' ? 'B' : 'A';
        CHECK_INT(token_read(key, slice_str(copy), &from_caller, &a, &t, &caller), -EBADMSG);
        copy[i] = text.p[i];
    }
    CHECK_INT(token_read(key, SLICE("alice"), &from_caller, &a, &t, &caller), -EBADMSG);
    free(copy);
    arena_fini(&a);
    buf_fini(&out);
}

TEST(machines_and_long_names)
{
    struct buf out = {0};
    struct arena a = {0};
    struct token t = {0};
    bool caller;
    char name[TOKEN_MAX_AOR + 1];
    memset(name, 'x', sizeof(name));
    t.callee.aor = slice_mem(name, TOKEN_MAX_AOR);
    t.caller.aor = slice_mem(name, TOKEN_MAX_AOR + 1);
    token_write(key, &t, SLICE("c@h"), SLICE("a1"), &out);
    CHECK_INT(token_read(key, buf_slice(&out), &from_callee, &a, &t, &caller), 0);
    CHECK_INT(t.caller.aor.n, 0);
    CHECK_INT(t.callee.aor.n, TOKEN_MAX_AOR);
    arena_fini(&a);
    buf_fini(&out);
}

TEST_MAIN(both_directions, of_another_dialog_or_key, altered_or_cut, machines_and_long_names)
