/*
 * access_edge/crls_priv.h - what crls.c (what is kept, what is due) and crl_fetch.c (one list on its way)
 * share.
 */
#pragma once

#include "ground/loop/helpers.h"
#include "service/access_edge/crls.h"

struct crls {
    struct crl_store *store;
    struct helpers *threads;
    struct loop *control;
    struct timer look;
    struct net_addr from;
    struct resolver_config config;
    char *anchor; /* that config points to */
    struct resolver *resolver;
    struct list fetches;
    _Atomic bool stop;
    char *folder;
};

/* Begins one; it ends with crl_store_put or crl_store_failed, and frees itself. */
void crl_fetch_begin(struct crls *c, const struct crl_want *want);
/* The resolver is another one: those that waited for the old one ask again. */
void crl_fetch_ask_again(struct crls *c);
/* Those that wait for names end; those on a thread end with it. */
void crl_fetch_stop_all(struct crls *c);
/* On a thread: to STATE/crls; 0 or negative errno. */
int crls_keep(struct crls *c, const struct crl_want *want, struct slice list);
