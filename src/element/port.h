/*
 * element/port.h - a listening address on one shard. It is opened before its configuration runs, and lets
 * nobody in until then.
 */
#pragma once

#include "element/shard.h"

struct port {
    struct list link;
    struct shard *s;
    struct element_listener is; /* slices point into `config` */
    struct element_config *config;
    struct listener *tcp;
    struct udp *udp;
    bool live; /* its configuration runs; before that it is open, but nobody is let in */
};
int port_new(struct shard *s, struct element_config *c, const struct element_listener *is, struct port **ret);
void port_set_config(struct port *p, struct element_config *c, const struct element_listener *is);
void port_go_live(struct port *p);
/* Who came by it is answered no more. */
void port_free(struct port *p);
/* The one of these that listens on the same address; NULL: none. */
struct port *port_same(struct list *ports, const struct element_listener *is);
