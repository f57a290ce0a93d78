/*
 * access_edge/examine.h - tries federation with a domain from this Edge, stage by stage, as a request to it
 * would go: SRV, addresses, TCP, TLS with the chain shown, the identity rule that holds, OPTIONS, policy; and
 * the way back: would they be believed as a sender, would they find us, would they believe us.
 *
 * It makes connections and questions of its own; nothing that runs is touched. A stage that cannot be tried,
 * because one before it failed, is "not_reached".
 */
#pragma once

#include "element/element.h"
#include "wire/json/json.h"

enum {
    EXAMINE_STAGE_MS = 8000, /* one stage; TCP and TLS: for each address */
    EXAMINE_MAX_ADDRESSES = 8
};
struct examine;
/*
 * {"domain", "machine", "ok", "stages": [{"stage", "direction", "verdict", "ms", "text", …}]}
 * verdict: ok, warning, failed, not_reached. It lives until done returns; the examination is freed then.
 */
typedef void examine_done(void *arg, struct json_value *report);
/* config: of an Access Edge, referenced; from: who the OPTIONS comes from, as user@domain, or empty. done
 * comes on a later turn. */
struct examine *examine_new(struct loop *l, struct element_config *config, struct slice domain,
                            struct slice from, examine_done *done, void *arg);
void examine_free(struct examine *x); /* before done only; NULL is fine */
