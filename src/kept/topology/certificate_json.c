#include "kept/topology/certificate_json.h"

#include "ground/crypto/inspect.h"

struct json_value *certificate_names_json(const struct crypto_cert *c, struct arena *a)
{
    const struct crypto_names *names = crypto_cert_names(c);
    struct json_value *list = json_array(a);
    for (size_t i = 0; i < names->n_dns; i++)
        json_push(a, list, json_string(a, names->dns[i]));
    for (size_t i = 0; i < names->n_uri; i++)
        json_push(a, list, json_string(a, names->uri[i]));
    return list;
}

struct json_value *certificate_chain_json(const struct crypto_cert *c, struct arena *a)
{
    struct json_value *list = json_array(a);
    for (size_t i = 0; i < crypto_cert_count(c); i++) {
        struct json_value *o = json_object(a);
        struct crypto_view v;
        crypto_cert_view(c, i, a, &v);
        json_set_string(a, o, "subject", v.subject);
        json_set_string(a, o, "issuer", v.issuer);
        json_set_string(a, o, "key", arena_printf(a, "%s %u", v.key, v.key_bits));
        json_set_bool(a, o, "weak_signature", v.weak_signature);
        json_set_bool(a, o, "authority", v.authority);
        json_set_int(a, o, "not_before_ms", v.not_before);
        json_set_int(a, o, "not_after_ms", v.not_after);
        json_push(a, list, o);
    }
    return list;
}
