/* System calls that this program never makes are refused (seccomp). A list of what is forbidden, not of what
 * is allowed: libraries change what they call, and a daemon that dies of an update is no gain. */
#include "ground/sandbox/priv.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
enum { FILTER_ARCH = (int)AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { FILTER_ARCH = (int)AUDIT_ARCH_AARCH64 };
#endif

static const unsigned short forbidden[] = {
    /* another program, another process */
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    /* the machine */
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsmount,
    SYS_swapon,
    SYS_swapoff,
    SYS_reboot,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_acct,
    SYS_quotactl,
    SYS_syslog,
    /* the kernel */
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    /* other names, other rights */
    SYS_unshare,
    SYS_setns,
    SYS_setuid,
    SYS_setreuid,
    SYS_setresuid,
    SYS_setgid,
    SYS_setregid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_capset,
    SYS_personality,
};
enum { FORBIDDEN = sizeof(forbidden) / sizeof(forbidden[0]), HEAD = 4, TAIL = 2 };
_Static_assert(FORBIDDEN < 200, "jumps of a filter reach 255 steps");

int sandbox_filter(char error[SANDBOX_TEXT])
{
    struct sock_filter code[HEAD + FORBIDDEN + TAIL] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)FILTER_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    for (int i = 0; i < FORBIDDEN; i++)
        code[HEAD + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, forbidden[i],
                                                      (unsigned char)(FORBIDDEN - i), 0);
    code[HEAD + FORBIDDEN] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[HEAD + FORBIDDEN + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    struct sock_fprog program = {.len = HEAD + FORBIDDEN + TAIL, .filter = code};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0) {
        int r = -errno;
        snprintf(error, SANDBOX_TEXT, "system calls cannot be filtered: %s", strerror(-r));
        return r;
    }
    return 0;
}
