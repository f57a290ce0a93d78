#include "ground/sandbox/priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SANDBOX_DEPTH = 8 }; /* of folders below the state folder */

__attribute__((format(printf, 3, 4))) static int failed(char error[SANDBOX_TEXT], int code, const char *fmt,
                                                        ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, SANDBOX_TEXT, fmt, ap);
    va_end(ap);
    return code < 0 ? code : -EPERM;
}

void sandbox_raise_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= l.rlim_max)
        return;
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
}

/* ---------------------------------------------------------------- capabilities */
/* Only the right to low ports is left, and only where it is there. */
static int keep_low_ports(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3], keep[_LINUX_CAPABILITY_U32S_3] = {{0}};
    const __u32 ports = 1u << CAP_NET_BIND_SERVICE;
    if (syscall(SYS_capget, &header, has) < 0)
        return -errno;
    keep[0].permitted = keep[0].effective = has[0].permitted & ports;
    header.pid = 0;
    return syscall(SYS_capset, &header, keep) < 0 ? -errno : 0;
}

/* What exec could give back; needs CAP_SETPCAP, so before the rest goes. */
static void drop_bounding_set(void)
{
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (cap != CAP_NET_BIND_SERVICE && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* ---------------------------------------------------------------- the state folder */
static int give(int dir, const char *name, uid_t uid, gid_t gid, int depth);

static int give_folder(int fd, uid_t uid, gid_t gid, int depth)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return -ENOMEM;
    }
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = give(dirfd(d), e->d_name, uid, gid, depth);
    closedir(d);
    return r;
}

/* What belongs to somebody else than root stays as it is: daemon_run says what it cannot use. */
static int give(int dir, const char *name, uid_t uid, gid_t gid, int depth)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISLNK(st.st_mode) || depth == 0)
        return 0;
    if (st.st_uid == 0 && fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return 0;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : give_folder(fd, uid, gid, depth - 1);
}

/* ---------------------------------------------------------------- becoming */
int sandbox_become(const char *user, const char *folder, char error[SANDBOX_TEXT])
{
    errno = 0;
    const struct passwd *p = getpwnam(user);
    if (!p)
        return failed(error, -ENOENT, "there is no user '%s'", user);
    if (p->pw_uid == 0)
        return failed(error, -EINVAL, "user '%s' is root: nothing would be given up", user);
    if (geteuid() == p->pw_uid)
        return 0;
    if (geteuid() != 0)
        return failed(error, -EPERM, "only root can become '%s'", user);
    uid_t uid = p->pw_uid;
    gid_t gid = p->pw_gid;
    int r = give(AT_FDCWD, folder, uid, gid, SANDBOX_DEPTH);
    if (r < 0)
        return failed(error, r, "%s cannot be given to '%s': %s", folder, user, strerror(-r));
    drop_bounding_set();
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0)
        return failed(error, -errno, "cannot become '%s': %s", user, strerror(errno));
    if (setuid(0) == 0 || seteuid(0) == 0)
        return failed(error, -EPERM, "the way back to root is open");
    return 0;
}

/* LeakSanitizer traces the process at its end. */
#ifdef __SANITIZE_ADDRESS__
static const bool traceable = true;
#else
static const bool traceable = false;
#endif

int sandbox_seal(char error[SANDBOX_TEXT])
{
    int r = keep_low_ports();
    if (r < 0)
        return failed(error, r, "capabilities cannot be given up: %s", strerror(-r));
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (prctl(PR_SET_DUMPABLE, traceable, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failed(error, -errno, "privileges cannot be given up: %s", strerror(errno));
    return traceable ? 0 : sandbox_filter(error);
}
