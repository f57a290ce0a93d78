/* entented: arguments. */
#include "cmd/entented/daemon.h"
#include "ground/log/log.h"
#include "ground/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
    "usage: entented --state DIR [options]\n"
    "  --state DIR             state folder of this machine (made by `entente init` "
    "or `entente machine join`)\n"
    "  --log auto|text|json    form of the log (auto: text on a terminal)\n"
    "  --log-level LEVEL       debug, info, warn or error (info)\n"
    "  --log-file PATH         append the log there instead of standard error\n"
    "  --access-log PATH       append a line for each SIP transaction there (otherwise "
    "where the topology wants it)\n"
    "  --workers N             SIP worker threads (one a core)\n"
    "  --user NAME             started as root: become this user, keep only the right to low "
    "ports\n"
    "  --version, --help\n"
    "exit status: 0 drained and ended, 1 usage, 2 state folder unusable, 3 cannot "
    "listen, 4 not joined, 70 internal\n";

struct arguments {
    struct daemon_options daemon;
    enum log_format format;
    enum log_level level;
    const char *user;
};

static int parse_format(const char *text, enum log_format *ret)
{
    static const char *const names[] = {"auto", "text", "json"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum log_format)i;
            return 0;
        }
    return -1;
}

/* 0 go on, 1 ended well (help), -1 wrong. */
static int parse(int argc, char **argv, struct arguments *a)
{
    enum { STATE = 1, LOG, LEVEL, FILE_, ACCESS, WORKERS, USER, VERSION, HELP };
    static const struct option options[] = {
        {"state",      required_argument, NULL, STATE  },
        {"log",        required_argument, NULL, LOG    },
        {"log-level",  required_argument, NULL, LEVEL  },
        {"log-file",   required_argument, NULL, FILE_  },
        {"access-log", required_argument, NULL, ACCESS },
        {"workers",    required_argument, NULL, WORKERS},
        {"user",       required_argument, NULL, USER   },
        {"version",    no_argument,       NULL, VERSION},
        {"help",       no_argument,       NULL, HELP   },
        {NULL,         0,                 NULL, 0      }
    };
    uint64_t n = 0;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int bad = 0;
        switch (o) {
        case STATE:
            a->daemon.state = optarg;
            break;
        case LOG:
            bad = parse_format(optarg, &a->format);
            break;
        case LEVEL:
            bad = log_level_parse(slice_str(optarg), &a->level);
            break;
        case FILE_:
            a->daemon.log_file = optarg;
            break;
        case ACCESS:
            a->daemon.access_log = optarg;
            break;
        case WORKERS:
            bad = slice_u64(slice_str(optarg), 256, &n);
            a->daemon.workers = (unsigned)n;
            break;
        case USER:
            a->user = optarg;
            break;
        case VERSION:
            printf("entented %s\n", ENTENTE_VERSION);
            return 1;
        case HELP:
            fputs(usage, stdout);
            return 1;
        default:
            return -1;
        }
        if (bad) {
            fprintf(stderr, "entented: '%s' is not a value of --%s\n", optarg, options[o - 1].name);
            return -1;
        }
    }
    if (!a->daemon.state || optind != argc) {
        fprintf(stderr, "entented: %s\n", a->daemon.state ? "too many arguments" : "--state is missing");
        return -1;
    }
    return 0;
}

/* Before any thread is made, and before logs are opened: they are opened again when they are rotated. */
static int give_up(const struct arguments *a)
{
    char error[SANDBOX_TEXT] = "";
    sandbox_raise_files();
    int r = a->user ? sandbox_become(a->user, a->daemon.state, error) : 0;
    if (r == 0)
        r = sandbox_seal(error);
    if (r < 0)
        log_error("daemon.privileges", "%s", error);
    return r;
}

int main(int argc, char **argv)
{
    struct arguments a = {.format = LOG_AUTO, .level = LOG_INFO};
    int r = parse(argc, argv, &a), fd = 2;
    if (r != 0) {
        if (r < 0)
            fputs(usage, stderr);
        return r < 0 ? EXIT_USAGE : 0;
    }
    if (give_up(&a) < 0)
        return EXIT_STATE;
    const char *file = a.daemon.log_file;
    if (file && (fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640)) < 0) {
        fprintf(stderr, "entented: cannot write %s: %s\n", file, strerror(errno));
        return EXIT_USAGE;
    }
    a.daemon.log_fd = fd;
    log_setup(a.format, a.level, "entented", "", fd);
    return daemon_run(&a.daemon);
}
