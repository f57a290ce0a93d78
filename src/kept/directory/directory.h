/*
 * directory/directory.h - users and what digest authentication needs of them. Kept by the pool's machine in
 * SQLite, read from memory: lookups take no lock that a writer holds for long and never block on the disk.
 *
 * An HA1 of each algorithm is stored at passwd time (RFC 7616 section 4.13); passwords are not kept.
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/loop/helpers.h"
#include "wire/sip/auth.h"

enum { DIRECTORY_MAX_USERS = 1000000, DIRECTORY_MAX_NAME = 128, DIRECTORY_MAX_PASSWORD = 256 };

struct directory;
/* Opens STATE/users.db (created when missing) and reads it; blocks (at start only). Errors of db_open; a
 * damaged file (-EBADMSG) is never served from. */
int directory_open(const char *state_folder, struct directory **ret);
void directory_close(struct directory *d);

struct directory_user {
    char ha1[SIP_DIGEST_COUNT][SIP_HA1_MAX];      /* of "user"; "" where there is none */
    char ha1_full[SIP_DIGEST_COUNT][SIP_HA1_MAX]; /* of "user@domain", which some clients give as user name */
};
/* aor: user@domain, case of the domain ignored. From any thread. */
bool directory_find(struct directory *d, struct slice aor, struct directory_user *ret);
/* The one HA1; full: that of "user@domain". False: no such user, or none of this algorithm. From any thread.
 */
bool directory_ha1(struct directory *d, struct slice aor, enum sip_digest digest, bool full,
                   char ret[SIP_HA1_MAX]);
/* Of the user's password in this process: another one after each change, and when the user comes again after
 * having been removed. 0: there is no such user. From any thread. */
uint64_t directory_serial(struct directory *d, struct slice aor);
size_t directory_count(struct directory *d);
/* Blocking, on a helper thread; the change is on disk and seen by all threads when it returns. realm: the
 * domain of the aor. -EEXIST, -ENOENT, -EINVAL (name, password), -ENOSPC, -EIO, -EBADMSG: then nothing
 * changed.
 *
 * A name is user@domain: letters, digits and -_.!~*'()&=+$,;?/ (case counts), then a DNS name (case ignored).
 * A password has 1 to DIRECTORY_MAX_PASSWORD bytes and no control characters. */
int directory_add(struct directory *d, struct slice aor, struct slice password);
int directory_passwd(struct directory *d, struct slice aor, struct slice password);
int directory_remove(struct directory *d, struct slice aor);
int directory_list(struct directory *d, struct arena *a, struct slice **ret_aors,
                   size_t *ret_n); /* sorted; any thread */
