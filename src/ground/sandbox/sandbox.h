/*
 * sandbox/sandbox.h - what the process may do to the machine it runs on. Called before any thread is started:
 * what is given up holds for the calling thread and those that it makes.
 *
 * The right to listen on ports below 1024 is the only one that is kept: listeners change while the process
 * runs.
 */
#pragma once

enum { SANDBOX_TEXT = 256 };

/* Descriptors: as many as the system lets this process have. */
void sandbox_raise_files(void);

/*
 * From root to this user and its group, for good. `folder` and what is in it is given to the user when it
 * belongs to root; symbolic links are not followed. 0, or negative errno and a sentence in `error`; then the
 * process must not go on.
 */
int sandbox_become(const char *user, const char *folder, char error[SANDBOX_TEXT]);

/*
 * Gives up what is not needed, whoever the process runs as: capabilities but that of low ports (where it has
 * it), gaining any by exec, core dumps and being traced by others of its user. Then refuses (EPERM) system
 * calls that an intruder wants and this program never makes: exec, ptrace, mount, modules, keys, other
 * namespaces, … 0, or negative errno.
 */
int sandbox_seal(char error[SANDBOX_TEXT]);
