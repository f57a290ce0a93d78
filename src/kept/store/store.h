/*
 * store/store.h - what central management keeps: revisions, the draft, secrets, machines, transitions. An
 * interface; SQLite is the default. Blocks: call on a helper thread (all calls of one store on the same
 * single-threaded pool).
 *
 * What answered 0 survives kill -9 and power loss, at once or, between store_begin and store_commit, when
 * store_commit answers 0. When the disk fails: the errors of db.h, and nothing was changed. Results are
 * appended to an `out` buffer, and only on success.
 */
#pragma once

#include "kept/store/db.h"
#include "kept/topology/revision.h"

struct store;
int store_open(const char *state_folder, struct store **ret); /* STATE/central.db */
void store_close(struct store *s);
const char *store_error(const struct store *s);

/* --- revisions: append only --- */
/* Stores what revision_write makes of it. -EEXIST when that number is there, -ESTALE when it is not the
 * newest plus one. */
int store_revision_add(struct store *s, const struct revision *r);
/* The same for any number above the newest: machines may be ahead of a store that was restored. */
int store_revision_add_above(struct store *s, const struct revision *r);
/* number 0: the newest. -ENOENT. The text as revision_write made it. */
int store_revision_text(struct store *s, uint64_t number, struct buf *out);
int store_revision_newest(struct store *s, uint64_t *ret_number); /* 0 when none */
struct store_revision_info {
    uint64_t number;
    int64_t time_ms;
    struct slice author, comment, hash;
};
/* Newest first. */
int store_revision_list(struct store *s, struct arena *a, struct store_revision_info **ret, size_t *ret_n);

/* --- the draft: apart from what is published; changes are refused when somebody changed it in between --- */
/* version 0: there is no draft (the published one is the start). */
int store_draft_get(struct store *s, struct buf *out_text, uint64_t *ret_version,
                    uint64_t *ret_base_revision);
/* -ESTALE when the draft is no longer at expected_version. A version is never used again, also after a drop.
 */
int store_draft_put(struct store *s, struct slice text, uint64_t expected_version, uint64_t base_revision,
                    struct slice author, uint64_t *ret_version);
int store_draft_drop(struct store *s);
/* Who changed the draft last, and when (wall clock, 0: not known). Nothing is written when there is none. */
int store_draft_who(struct store *s, struct arena *a, struct slice *ret_author, int64_t *ret_time_ms);

/* --- named blobs: secrets (0600 file, never logged), certificates of machines, plans and their progress ---
 */
/* kind: "secret", "machine", "transition", …; put replaces, value NONE removes (nothing there:
 * fine). Names are listed in bytewise order. */
int store_blob_put(struct store *s, const char *kind, struct slice name, struct slice value);
int store_blob_get(struct store *s, const char *kind, struct slice name, struct buf *out); /* -ENOENT */
int store_blob_list(struct store *s, const char *kind, struct arena *a, struct slice **ret_names,
                    size_t *ret_n);
/* Several changes as one; not nested (-EBUSY). After an error within, store_rollback. */
int store_begin(struct store *s);
int store_commit(struct store *s);
void store_rollback(struct store *s);
