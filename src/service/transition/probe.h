/*
 * transition/probe.h - looks at TLS ports from outside: is it open, and which name does its certificate
 * carry? Nothing is verified but the name: whether partners trust the certificate is their policy.
 */
#pragma once

#include "ground/loop/loop.h"
#include "ground/net/addr.h"

enum { PROBE_MAX = 128, PROBE_SETUP_MS = 3000, PROBE_TEXT = 300 };
struct probe_port {
    struct net_addr addr;
    struct slice name;       /* asked for (SNI), and to be named by the certificate */
    bool may_be_unreachable; /* no answer at all is no failure (a closed port is one) */
};
struct probe;
/* ok, and when not a sentence about the first port that failed. The probe is freed by then. */
typedef void probe_done(void *arg, bool ok, const char *text);
/* Looks at all ports at once (PROBE_MAX at the most); what it needs of them is copied. done never runs before
 * this returns. */
struct probe *probe_new(struct loop *l, const struct probe_port *ports, size_t n, probe_done *done,
                        void *arg);
void probe_free(struct probe *p); /* before done only; NULL is fine */
