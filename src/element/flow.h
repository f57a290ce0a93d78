/*
 * element/flow.h - a connection: made or accepted, judged, watched, ended. A shard's flows lie in slots, by
 * which a flow_ref names them.
 */
#pragma once

#include "element/shard.h"

struct flow {
    struct list link;
    struct map_entry pool_entry;
    bool pooled;
    struct shard *s;
    uint32_t slot;
    uint64_t generation;
    enum side side;
    enum sip_transport transport;
    bool inbound, up;
    bool finishing;   /* our close_notify is sent or queued: no more output */
    bool half_closed; /* the peer's came: no more requests from us */
    bool dead;        /* being freed */
    bool broken;      /* what came is not SIP */
    size_t unread;    /* bytes that came after that */
    bool trusted;
    struct list held_up; /* in shard.held_up */
    struct list hop;     /* in shard.hops */
    struct turns_client queued;
    bool inside; /* a machine of the topology; decided when it comes up */
    bool late;   /* has a standing queue */
    unsigned asked_late;
    struct source_hold hold;
    unsigned refused;    /* requests in a row */
    uint64_t owner;      /* with whom it shares, when trusted */
    uint64_t asked_ms;   /* last request, or when it came up */
    uint64_t partial_ms; /* since when a message is incomplete; 0: none is */
    struct stream *stream;
    struct sip_framer framer;
    struct list waiting; /* struct outgoing, until up */
    size_t waiting_bytes;
    struct list inflight;
    unsigned pending; /* requests that came on it and have no final response */
    uint64_t last_ms;
    uint64_t pinged_ms; /* 0: nothing is awaited */
    bool pongs;         /* the peer answers keep-alives, so silence means that it is gone */
    struct net_addr remote;
    struct net_addr destination; /* what was dialled, or the alias (RFC 5923); the pool's key with identity */
    char *identity;              /* dialled for */
    char *name;                  /* dialled name */
    bool secure_name;
    destination_ticket ticket; /* of a dialled one, as long as it takes requests */
    bool retiring;             /* takes no more requests, and ends when the last one on it has */
    bool covered;              /* proved its identity once */
    uint64_t epoch;            /* configuration under which it was last judged */
    void *data;
    void (*data_free)(void *data);
};
struct flow *flow_find(struct shard *s, struct flow_ref ref); /* NULL: gone */
void flow_accept(struct port *p, int fd, const struct net_addr *remote);
/* A new one for this very identity; ticket: what destinations gave for it. */
struct flow *flow_dial(struct shard *s, enum side side, const struct target_address *to,
                       struct slice identity, destination_ticket ticket);
/* In order: what is queued is still sent. */
void flow_finish(struct flow *f);
void flow_end(struct flow *f, const char *why); /* at once */
void flow_housekeeping(struct shard *s);
