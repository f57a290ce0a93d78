/*
 * front_end/token.h - the user part of our Record-Route values: which clients the ends of a dialog are, and
 * over which connection each was reached when it began.
 *
 * It is authenticated, not secret. The MAC covers the Call-ID and the tag of the one who began the dialog, so
 * a token is of use in its own dialog alone, and tells who of the two sent a request: the tag stands in From
 * when it is the one who began, in To when it is the other.
 */
#pragma once

#include "element/element.h"

enum { TOKEN_KEY = 32, TOKEN_MAX = 640, TOKEN_MAX_AOR = 190 };

struct token_end {
    struct slice aor; /* empty: not a client of ours (a machine) */
    bool registered;  /* the flow or source below is that of a registered contact */
    struct flow_ref flow;
    struct net_addr source; /* UDP; family 0: none */
};
struct token {
    struct token_end caller, callee;
};
/* In base64url. An end with an aor longer than TOKEN_MAX_AOR is left out. */
void token_write(const unsigned char key[TOKEN_KEY], const struct token *t, struct slice call_id,
                 struct slice caller_tag, struct buf *out);
/* 0, or -EBADMSG: not a token, or not of the dialog of `m`. */
int token_read(const unsigned char key[TOKEN_KEY], struct slice text, const struct sip_msg *m,
               struct arena *a, struct token *ret, bool *ret_from_caller);
