/*
 * entente/command.h - the command line: one table of commands and one of options. Usage, the reference
 * (doc/cli.md) and bash completion are printed from them.
 *
 * A command is a thin client of the daemon's API on its UNIX socket; `init` and `machine join` work on a
 * state folder. Handlers write to the streams they are given and return the exit code.
 */
#pragma once

#include "ground/base/arena.h"
#include "ground/base/buf.h"
#include "wire/json/json.h"

#include <stdio.h>

enum {
    EXIT_DONE = 0,
    EXIT_WRONG_USAGE = 1,
    EXIT_REFUSED = 2,  /* refused or failed: sentence and id on standard error */
    EXIT_NO_DAEMON = 3 /* nobody to ask */
};
#define ENTENTE_DEFAULT_STATE "/var/lib/entente"

enum option_id {
    OPTION_STATE,
    OPTION_SOCKET,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_MACHINE,
    OPTION_ADDRESS,
    OPTION_NAME,
    OPTION_DOMAIN,
    OPTION_TOPOLOGY,
    OPTION_OUTPUT,
    OPTION_FORMAT,
    OPTION_MESSAGE,
    OPTION_WAIT,
    OPTION_YES,
    OPTION_KEY_FILE,
    OPTION_PASSWORD_FILE,
    OPTION_EDGE,
    OPTION_FROM,
    OPTION_TO,
    OPTION_CLASSIC,
    OPTION_MARKDOWN,
    OPTION_MAN,
    OPTION_DRY_RUN,
    OPTION_METRICS,
    OPTION_USE,
    OPTION_PASSPHRASE_FILE,
    OPTION_RSA,
    OPTION_OVERLAP,
    OPTION_OLD_WINDOWS,
    OPTION_ROOT,
    OPTION_SIDE,
    OPTION_POOL,
    OPTION_STATIC,
    OPTION_LIVE,
    OPTION_WATCH,
    OPTION_DRAFT,
    OPTION_KEEP,
    OPTION_TRUST,
    OPTION_PIN_KEY,
    OPTION_N
};
enum completes {
    COMPLETES_NOTHING,
    COMPLETES_FILE,
    COMPLETES_FOLDER,
    COMPLETES_WORDS,  /* these, and others like them */
    COMPLETES_CHOICE, /* one of these words, and nothing else is taken */
    COMPLETES_POOL,
    COMPLETES_MACHINE
};
struct option_row {
    const char *name;
    const char *value; /* "FILE"; "[SECONDS]": a number that may be left out; NULL: a switch */
    char letter;       /* 0: none */
    enum completes completes;
    const char *words; /* of COMPLETES_WORDS and COMPLETES_CHOICE */
    const char *help;
};
extern const struct option_row option_rows[OPTION_N];
/* What an option is to some commands alone: those whose words begin with `commands`. */
struct option_sense {
    const char *commands;
    enum option_id option;
    struct option_row row;
};
extern const struct option_sense option_senses[];
extern const size_t n_option_senses;
#define WITH(option) (1ULL << OPTION_##option)
enum {
    WITH_DAEMON = WITH(STATE) | WITH(SOCKET) | WITH(JSON) | WITH(HELP),
    WITH_FOLDER = WITH(STATE) | WITH(JSON) | WITH(HELP)
};

struct invocation;
struct command {
    const char *words;     /* "topology show" */
    const char *arguments; /* "PATH [VALUE]", "ZONE…": […] may be left out, … repeats */
    uint64_t options;      /* WITH(…) */
    uint64_t must;         /* those of them that must be there */
    int (*run)(struct invocation *v);
    const char *help; /* one line, no full stop; NULL: for programs, told to nobody */
    const char *more; /* further lines for --help, or NULL */
};
extern const struct command commands[];
extern const size_t n_commands;

struct invocation {
    const struct command *command; /* NULL: none was named */
    const char *options[OPTION_N]; /* NULL: not given; "" for switches and values left out */
    const char **arguments;        /* behind the command's words */
    size_t n_arguments;
    const char *state, *socket; /* what --state, --socket and $ENTENTE_STATE come to */
    int in;                     /* standard input */
    FILE *out, *err;
    bool answered;      /* with --json: an answer stands on standard output already */
    bool quiet;         /* a daemon that cannot be reached is not worth a word: it is asked again */
    struct arena arena; /* of everything that one run reads and prints */
};

/* The whole program but for the process: exit code. */
int entente_run(int argc, char **argv, int in, FILE *out, FILE *err);

/* --- options.c --- */
/* Fills in command, options, arguments, state, socket. 0, or EXIT_WRONG_USAGE after saying why. */
int options_parse(struct invocation *v, int argc, char **argv);
static inline bool option_given(const struct invocation *v, enum option_id o)
{
    return v->options[o] != NULL;
}
static inline struct slice option_slice(const struct invocation *v, enum option_id o)
{
    return slice_str(v->options[o]);
}
static inline struct slice argument(const struct invocation *v, size_t i)
{
    return i < v->n_arguments ? slice_str(v->arguments[i]) : SLICE_NONE;
}
/* The longest command that these words begin with, NULL. ret_used: how many words it took. */
const struct command *command_find(const char *const *words, size_t n, size_t *ret_used);
/* What an option is to this command. */
const struct option_row *option_of(const struct command *c, enum option_id o);
/* How many arguments a command takes; SIZE_MAX: any number. */
void command_arity(const struct command *c, size_t *ret_min, size_t *ret_max);

/* --- nearest.c --- */
/* Edits (Damerau-Levenshtein, adjacent swaps) between two words of up to 64 bytes; beyond: SIZE_MAX. */
size_t nearest_distance(struct slice a, struct slice b);
/* The commands' words that come nearest to what was typed, NULL when nothing is near. */
const char *nearest_command(struct slice typed);
/* The same of first words alone; empty: nothing is near. */
struct slice nearest_noun(struct slice typed);
const char *nearest_option(struct slice typed);

/* --- help.c, completion.c --- */
/* "cert sign REQUEST.pem --machine FQDN": the command with all that it needs. */
void help_synopsis(const struct command *c, struct buf *out);
void help_overview(struct buf *out);
void help_command(const struct command *c, struct buf *out);
/* A line for each command that begins with these words and goes on; 0: there are none. */
size_t help_below(struct slice words, struct buf *out);
void help_markdown(struct buf *out);
void help_man(struct buf *out); /* entente.1 */
void completion_bash(struct buf *out);

/* --- handlers, by noun --- */
int cmd_help(struct invocation *v);
int cmd_version(struct invocation *v);
int cmd_completion(struct invocation *v);
int cmd_complete(struct invocation *v);
int cmd_init(struct invocation *v);
int cmd_status(struct invocation *v);
int cmd_trace(struct invocation *v);
int cmd_topology_show(struct invocation *v);
int cmd_topology_edit(struct invocation *v);
int cmd_topology_schema(struct invocation *v);
int cmd_topology_explain(struct invocation *v);
int cmd_topology_set(struct invocation *v);
int cmd_topology_add(struct invocation *v);
int cmd_topology_remove(struct invocation *v);
int cmd_topology_import(struct invocation *v);
int cmd_topology_export(struct invocation *v);
int cmd_topology_check(struct invocation *v);
int cmd_topology_diff(struct invocation *v);
int cmd_topology_discard(struct invocation *v);
int cmd_topology_rebase(struct invocation *v);
int cmd_topology_history(struct invocation *v);
int cmd_topology_rollback(struct invocation *v);
int cmd_publish(struct invocation *v);
int cmd_replication_status(struct invocation *v);
int cmd_machine_list(struct invocation *v);
int cmd_machine_bundle(struct invocation *v);
int cmd_machine_join(struct invocation *v);
int cmd_cert_required(struct invocation *v);
int cmd_cert_request(struct invocation *v);
int cmd_cert_import(struct invocation *v);
int cmd_cert_assign(struct invocation *v);
int cmd_cert_remove(struct invocation *v);
int cmd_cert_export(struct invocation *v);
int cmd_cert_sign(struct invocation *v);
int cmd_cert_renew(struct invocation *v);
int cmd_cert_list(struct invocation *v);
int cmd_cert_check(struct invocation *v);
int cmd_cert_trust_add(struct invocation *v);
int cmd_cert_trust_remove(struct invocation *v);
int cmd_cert_trust_list(struct invocation *v);
int cmd_cert_crl_add(struct invocation *v);
int cmd_cert_crl_list(struct invocation *v);
int cmd_cert_crl_remove(struct invocation *v);
int cmd_dns_server(struct invocation *v);
int cmd_dns_records(struct invocation *v);
int cmd_dns_check(struct invocation *v);
int cmd_dns_apply(struct invocation *v);
int cmd_firewall_rules(struct invocation *v);
int cmd_path(struct invocation *v);
int cmd_user_add(struct invocation *v);
int cmd_user_passwd(struct invocation *v);
int cmd_user_remove(struct invocation *v);
int cmd_user_list(struct invocation *v);
int cmd_partner_list(struct invocation *v);
int cmd_partner_allow(struct invocation *v);
int cmd_partner_block(struct invocation *v);
int cmd_partner_remove(struct invocation *v);
int cmd_partner_test(struct invocation *v);
int cmd_service_list(struct invocation *v);
int cmd_service_stop(struct invocation *v);
int cmd_service_start(struct invocation *v);
int cmd_service_drain(struct invocation *v);
int cmd_transition_plan(struct invocation *v);
int cmd_transition_apply(struct invocation *v);
int cmd_transition_status(struct invocation *v);
int cmd_transition_rollback(struct invocation *v);
int cmd_transition_continue(struct invocation *v);
