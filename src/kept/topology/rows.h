/*
 * topology/rows.h - how the rows of the descriptor table are written.
 */
#pragma once

#include "kept/topology/descriptor.h"

#define ROW(object, member, kind_of, ...)                                                                    \
    {                                                                                                        \
        .name = #member, .type = PROPERTY_##kind_of, .offset = offsetof(struct object, member), __VA_ARGS__  \
    }
#define LIST(object, member, of, ...)                                                                        \
    ROW(object, member, OBJECTS, .kind = &(of), .count_offset = offsetof(struct object, n_##member),         \
        __VA_ARGS__)
#define KIND(title, object, rows, text)                                                                      \
    {                                                                                                        \
        .name = (title), .size = sizeof(struct object), .properties = (rows),                                \
        .n_properties = sizeof(rows) / sizeof((rows)[0]), .help = (text)                                     \
    }
#define PORT .min = 1, .max = 65535

/* The help of a setting that the model keeps, checks and shows, and no running service reads yet. `what` is a
 * sentence without its full stop; a test lists all such settings. */
#define IMPORTED(what, why) what " (kept for import; " why ")."
#define KEPT(what, whom) what " (kept for " whom "; not acted upon yet)."

#define SERVICE_STATES "enabled|draining|disabled"
#define VERIFICATION "use_source_verification|always_verifiable|always_unverifiable"

extern const struct kind kind_monitoring;
extern const struct kind kind_edge_pool, kind_front_end_pool, kind_director_pool, kind_mediation_pool,
    kind_trusted_application_pool, kind_foreign_pool, kind_limits;
extern const struct kind kind_xmpp, kind_xmpp_partner, kind_simple_url;
