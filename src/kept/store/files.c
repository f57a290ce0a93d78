#include "kept/store/files.h"

#include "ground/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGED ".new"

static char *path_of(const char *folder, const char *name, const char *suffix)
{
    struct buf b = {0};
    buf_printf(&b, "%s/%s%s", folder, name, suffix);
    return buf_take(&b);
}

int files_folder_make(const char *folder)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    return chmod(folder, 0700) < 0 ? -errno : 0;
}

bool files_exists(const char *folder, const char *name)
{
    char *path = path_of(folder, name, "");
    bool there = access(path, F_OK) == 0;
    mem_free(path);
    return there;
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

size_t files_list(const char *folder, const char *suffix, size_t max, struct arena *a, struct slice **ret)
{
    struct slice *names = ARENA_ARRAY(a, struct slice, max ? max : 1), end = slice_str(suffix);
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && n < max && (e = readdir(d)) != NULL;) {
        struct slice name = slice_str(e->d_name);
        if (name.n > end.n && slice_eq(slice_from(name, name.n - end.n), end))
            names[n++] = arena_copy(a, slice_head(name, name.n - end.n));
    }
    if (d)
        closedir(d);
    qsort(names, n, sizeof(*names), by_name);
    *ret = names;
    return n;
}

static int read_all(int fd, struct buf *out)
{
    for (;;) {
        if (buf_len(out) > FILES_MAX)
            return -EFBIG;
        ssize_t n = read(fd, buf_reserve(out, 65536), 65536);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            buf_commit(out, (size_t)n);
    }
}

int files_read(const char *folder, const char *name, struct buf *out)
{
    char *path = path_of(folder, name, "");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : read_all(fd, out);
    if (fd >= 0)
        close(fd);
    mem_free(path);
    return r;
}

static int write_all(int fd, struct slice text)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR)
            return -errno;
        text = slice_from(text, n > 0 ? (size_t)n : 0);
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int files_stage(const char *folder, const char *name, struct slice text)
{
    char *path = path_of(folder, name, STAGED);
    unlink(path); /* so that the mode is ours whatever a crash left behind */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = fd < 0 ? -errno : write_all(fd, text);
    if (fd >= 0 && close(fd) < 0 && r == 0)
        r = -errno;
    if (r < 0)
        unlink(path);
    mem_free(path);
    return r;
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int files_rename(const char *folder, const char *from, const char *to)
{
    char *a = path_of(folder, from, ""), *b = path_of(folder, to, "");
    int r = rename(a, b) < 0 ? -errno : sync_folder(folder);
    mem_free(a);
    mem_free(b);
    return r;
}

int files_commit(const char *folder, const char *name)
{
    char *staged = path_of("", name, STAGED);
    int r = files_rename(folder, staged + 1, name);
    mem_free(staged);
    return r;
}

int files_write(const char *folder, const char *name, struct slice text)
{
    int r = files_stage(folder, name, text);
    return r < 0 ? r : files_commit(folder, name);
}

int files_remove(const char *folder, const char *name)
{
    char *path = path_of(folder, name, "");
    int r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    mem_free(path);
    return r;
}

int files_unpack_bundle(const char *folder, const struct bundle *b)
{
    struct buf machine = {0};
    bundle_machine_write(b, &machine);
    const struct {
        const char *name;
        struct slice text;
    } files[] = {
        {FILE_KEY,      b->key_pem         },
        {FILE_CERT,     b->cert_pem        },
        {FILE_MATERIAL, b->material        },
        {FILE_REVISION, b->revision        },
        {FILE_MACHINE,  buf_slice(&machine)},
    };
    int r = 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && r == 0; i++)
        r = files_write(folder, files[i].name, files[i].text);
    buf_fini(&machine);
    return r;
}
