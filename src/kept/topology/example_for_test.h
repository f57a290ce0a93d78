/*
 * topology/example_for_test.h - documents and helpers that this module's tests share. Test programs only.
 */
#pragma once

#include "kept/topology/topology.h"

#include <stdio.h>
#include <stdlib.h>

/* The document of topology.h. */
#define EXAMPLE                                                                                              \
    "schema: 1\n"                                                                                            \
    "deployment:\n"                                                                                          \
    "  name: contoso\n"                                                                                      \
    "  default_domain: contoso.example\n"                                                                    \
    "central:\n"                                                                                             \
    "  machine: cms.contoso.example\n"                                                                       \
    "  internal_address: 127.10.1.5\n"                                                                       \
    "sites:\n"                                                                                               \
    "- name: hq\n"                                                                                           \
    "  federation_route: edge-old.contoso.example\n"                                                         \
    "edge_pools:\n"                                                                                          \
    "- fqdn: edge-old.contoso.example\n"                                                                     \
    "  site: hq\n"                                                                                           \
    "  federation: true\n"                                                                                   \
    "  external_fqdn: sip.contoso.example\n"                                                                 \
    "  next_hop: fe.contoso.example\n"                                                                       \
    "  machines:\n"                                                                                          \
    "  - fqdn: edge-old1.contoso.example\n"                                                                  \
    "    internal_address: 127.10.1.20\n"                                                                    \
    "    external_address: 127.10.2.20\n"                                                                    \
    "front_end_pools:\n"                                                                                     \
    "- fqdn: fe.contoso.example\n"                                                                           \
    "  site: hq\n"                                                                                           \
    "  media_edge: edge-old.contoso.example\n"                                                               \
    "  machines:\n"                                                                                          \
    "  - fqdn: fe1.contoso.example\n"                                                                        \
    "    internal_address: 127.10.1.10\n"                                                                    \
    "partners:\n"                                                                                            \
    "- domain: fabrikam.example\n"                                                                           \
    "  policy: allowed\n"

/* A topology that must parse: findings end the test program. */
static inline struct topology *parse_good(const char *text)
{
    struct findings f = {0};
    struct topology *t = NULL;
    if (topology_parse(slice_str(text), &t, &f) < 0) {
        for (size_t i = 0; i < f.n; i++)
            printf("# %s at '" SLICE_FMT "': " SLICE_FMT "\n", f.items[i].id, SLICE_ARG(f.items[i].path),
                   SLICE_ARG(f.items[i].text));
        exit(EXIT_FAILURE);
    }
    findings_fini(&f);
    return t;
}
