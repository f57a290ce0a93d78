/*
 * topology/material_priv.h - what the parts of material share: material.c (the object, and looking things
 * up), material_text.c (its written form), material_change.c (making one from another), material_keys.c (keys
 * of the deployment, and those that machines keep).
 */
#pragma once

#include "kept/topology/material.h"

struct material_secret {
    struct material_secret *next;
    size_t n;
    char text[];
};
struct slice material_secret_copy(struct material *m, struct slice s);
void material_use_append(struct material *m, const struct material_use *u); /* copies; there must be room */
bool material_use_is(const struct material_use *u, struct slice pool, struct slice use);
bool material_key_expired(const struct material_key *k, int64_t now_ms);
