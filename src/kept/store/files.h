/*
 * store/files.h - the files of a state folder: read whole, replaced atomically (written beside, fsync,
 * rename, fsync of the folder), mode 0600. And those of a managed machine, as a bundle brings them. Blocks.
 */
#pragma once

#include "ground/base/buf.h"
#include "kept/topology/push.h"

#define FILE_MACHINE "machine.json"
#define FILE_KEY "internal.key"
#define FILE_CERT "internal.crt"
#define FILE_REVISION "revision.json"
#define FILE_MATERIAL "material.sealed"
enum { FILES_MAX = 64 << 20 };

/* Makes the folder (its parent must be there), 0700; one that exists gets that mode. */
int files_folder_make(const char *folder);
bool files_exists(const char *folder, const char *name);
/* Names that end so, without that end, at the most max; sorted. 0 names where there is no such folder. */
size_t files_list(const char *folder, const char *suffix, size_t max, struct arena *a, struct slice **ret);
int files_read(const char *folder, const char *name, struct buf *out); /* -ENOENT, -EFBIG, … */
/* The new content under NAME.new, on the disk; files_commit makes it the file. */
int files_stage(const char *folder, const char *name, struct slice text);
int files_commit(const char *folder, const char *name);
int files_write(const char *folder, const char *name, struct slice text); /* both */
int files_rename(const char *folder, const char *from, const char *to);
int files_remove(const char *folder, const char *name); /* -ENOENT is not an error */
/* The files of a machine; machine.json comes last, so that without it nothing has been joined. */
int files_unpack_bundle(const char *folder, const struct bundle *b);
