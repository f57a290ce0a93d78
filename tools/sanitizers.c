/* Linked into every program of the asan, tsan and fuzz builds. What stands here could be said in environment variables,
 * but the sanitizers read those through /proc, which a chroot may lack. */
#include <unistd.h>

int __lsan_is_turned_off(void);
const char *__tsan_default_suppressions(void);

/* Leaks are looked for through /proc: without it, everything else is still found. */
int __lsan_is_turned_off(void)
{
    return access("/proc/self/task", F_OK) != 0;
}

/* Libraries that are not instrumented: ThreadSanitizer does not see their locks. */
const char *__tsan_default_suppressions(void)
{
    return "race:libunbound.so\n"
           "race:libevent\n"
           "called_from_lib:libunbound.so\n";
}
