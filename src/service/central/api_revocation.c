/* Revocation lists that are given by hand: for authorities whose lists the Edge machines cannot fetch. */
#include "service/central/priv.h"

#include "ground/base/mem.h"
#include "ground/base/text.h"
#include "ground/crypto/crl.h"

#include <errno.h>

enum { LIST_MAX_BYTES = 1 << 20 };

static struct slice list_der(struct arena *a, struct slice base64)
{
    char *der = arena_alloc(a, base64.n + 1);
    ssize_t n = text_unbase64(base64, der, base64.n + 1);
    return slice_mem(der, n > 0 ? (size_t)n : 0);
}

static struct slice hex_of(struct arena *a, const unsigned char id[32])
{
    struct buf hex = {0};
    text_hex(&hex, id, 32);
    struct slice s = arena_copy(a, buf_slice(&hex));
    buf_fini(&hex);
    return s;
}

static void put_view(struct api_call *q, struct json_value *o, const struct crl_view *v)
{
    json_set_string(&q->a, o, "fingerprint", hex_of(&q->a, v->fingerprint));
    json_set_string(&q->a, o, "issuer", v->issuer);
    json_set_string(&q->a, o, "number", v->number);
    json_set_int(&q->a, o, "this_update_ms", v->this_ms);
    json_set_int(&q->a, o, "next_update_ms", v->next_ms);
    json_set_int(&q->a, o, "revoked", (int64_t)v->revoked);
}

static int revocation_list(struct api_call *q, struct vault *v)
{
    const struct material *m = v->now->material;
    struct json_value *list = json_array(&q->a);
    for (size_t i = 0; i < m->n_lists; i++) {
        struct crl_view view;
        struct buf der = {0};
        struct json_value *o = json_object(&q->a);
        if (crl_view(list_der(&q->a, m->lists[i].text), &q->a, &view, &der) == 0)
            put_view(q, o, &view);
        else
            json_set_string(&q->a, o, "fingerprint", m->lists[i].fingerprint);
        buf_fini(&der);
        json_push(&q->a, list, o);
    }
    json_set(&q->a, q->out, "given", list);
    return 0;
}

/* --- adding --- */
struct signers {
    struct slice list;
    bool named, signed_by;
};

static void ask_signer(struct api_call *q, void *arg, const struct crypto_cert *cert)
{
    struct signers *s = arg;
    (void)q;
    int r = crl_signed_by(s->list, cert);
    s->named = s->named || r != 1;
    s->signed_by = s->signed_by || r == 0;
}

/* Lists of authorities below a root cannot be judged here: their certificates come with the partners' chains.
 */
static int check_signature(struct api_call *q, const struct material *m, struct slice list)
{
    struct signers s = {.list = list};
    api_each_certificate(m->trust_pem, ask_signer, q, &s);
    for (size_t i = 0; i < m->n_trusts; i++)
        api_each_certificate(m->trusts[i].pem, ask_signer, q, &s);
    if (s.named && !s.signed_by)
        return refuse(&q->why, 422, "crl.signature",
                      "The authority of that name, which is among the roots, did not sign this list.");
    return 0;
}

static void warn(struct api_call *q, const struct crl_view *v)
{
    int64_t now = loop_wall();
    if (v->next_ms <= now)
        findings_add(&q->findings, "crl.expired", FINDING_WARNING, SLICE("crl"),
                     "get a newer one from the authority",
                     "The list of " SLICE_FMT " has expired: whom it names is refused, of the others it says "
                     "nothing from 12 hours after its end.",
                     SLICE_ARG(v->issuer));
    if (v->this_ms > now + CENTRAL_CLOCK_APART_MS)
        findings_add(&q->findings, "crl.future", FINDING_WARNING, SLICE("crl"), "compare the clocks",
                     "The list of " SLICE_FMT " is from the future.", SLICE_ARG(v->issuer));
}

/* The one whose place it takes goes. 1: it is there already. */
static int replace(struct api_call *q, struct material *m, const struct crl_view *v)
{
    for (size_t i = 0; i < m->n_lists; i++) {
        struct crl_view old;
        struct buf der = {0};
        bool same = crl_view(list_der(&q->a, m->lists[i].text), &q->a, &old, &der) == 0 &&
                    memcmp(old.place, v->place, sizeof(old.place)) == 0;
        buf_fini(&der);
        if (!same)
            continue;
        if (memcmp(old.fingerprint, v->fingerprint, sizeof(old.fingerprint)) == 0)
            return 1;
        if (old.this_ms > v->this_ms)
            return refuse(&q->why, 409, "crl.older",
                          "A newer list of " SLICE_FMT " is there; remove it first if this one is to count.",
                          SLICE_ARG(v->issuer));
        material_list_remove(m, i);
        json_set_bool(&q->a, q->out, "replaced", true);
        return 0;
    }
    return 0;
}

static int keep(struct api_call *q, struct vault *v, const struct crl_view *view, struct slice der)
{
    struct material *m = material_copy(v->now->material);
    struct buf base64 = {0};
    int r = replace(q, m, view);
    text_base64(&base64, der.p, der.n);
    const struct material_list l = {hex_of(&q->a, view->fingerprint), buf_slice(&base64)};
    if (r == 0 && material_list_add(m, &l) < 0)
        r = refuse(
            &q->why, 409, "crl.full",
            "At most %d lists, together %d KiB, are given by hand; larger ones the Edge machines fetch.",
            MATERIAL_MAX_LISTS, MATERIAL_MAX_LISTS_TEXT * 3 / 4 / 1024);
    buf_fini(&base64);
    json_set_bool(&q->a, q->out, "added", r == 0);
    if (r == 0)
        return vault_set_material(v, m, &q->why);
    material_unref(m);
    return r < 0 ? r : 0;
}

static int revocation_add(struct api_call *q, struct vault *v)
{
    struct slice text = list_der(&q->a, json_get_string(q->in, "list_base64"));
    struct crl_view view = {0};
    struct buf der = {0};
    int r = 0;
    if (text.n > LIST_MAX_BYTES)
        r = refuse(&q->why, 413, "crl.large", "A list that is given by hand has at most %d KiB.",
                   LIST_MAX_BYTES / 1024);
    else if (crl_view(text, &q->a, &view, &der) < 0)
        r = refuse(&q->why, 422, "crl.unreadable", "This is no revocation list that counts: %s.",
                   crypto_error());
    if (r == 0)
        r = check_signature(q, v->now->material, buf_slice(&der));
    if (r == 0) {
        warn(q, &view);
        put_view(q, q->out, &view);
        r = keep(q, v, &view, buf_slice(&der));
    }
    buf_fini(&der);
    return r;
}

static int revocation_remove(struct api_call *q, struct vault *v)
{
    struct slice which = json_get_string(q->in, "fingerprint");
    struct material *m;
    size_t found = 0, at = 0;
    if (which.n < TRUST_FINGERPRINT_MIN)
        return refuse(
            &q->why, 422, "crl.fingerprint",
            "Name the list by its fingerprint, or %d digits of its beginning: entente cert crl list.",
            TRUST_FINGERPRINT_MIN);
    for (size_t i = 0; i < v->now->material->n_lists; i++)
        if (slice_caseeq(slice_head(v->now->material->lists[i].fingerprint, which.n), which)) {
            found++;
            at = i;
        }
    if (found != 1)
        return refuse(&q->why, found ? 409 : 404, found ? "crl.several" : "crl.unknown",
                      found ? "Several lists begin with '" SLICE_FMT "': give more digits."
                            : "No list that was given begins with '" SLICE_FMT "': entente cert crl list.",
                      SLICE_ARG(slice_head(which, 64)));
    json_set_string(&q->a, q->out, "removed", v->now->material->lists[at].fingerprint);
    m = material_copy(v->now->material);
    material_list_remove(m, at);
    return vault_set_material(v, m, &q->why);
}

const struct api_route api_revocation_routes[] = {
    {"GET",  "/v1/revocation",        revocation_list,   NULL, "revocation lists that were given by hand"},
    {"POST", "/v1/revocation",        revocation_add,    NULL, "{list_base64: DER or PEM}"               },
    {"POST", "/v1/revocation/remove", revocation_remove, NULL, "{fingerprint: its beginning will do}"    },
};
const size_t api_n_revocation_routes = sizeof(api_revocation_routes) / sizeof(api_revocation_routes[0]);
