/* What works on a state folder, with no daemon there yet: init, machine join. */
#include "cmd/entente/call.h"
#include "cmd/entente/file.h"
#include "service/central/central.h"
#include "service/replica/replica.h"

#include <errno.h>

enum { ERROR_TEXT = 512 };

/* "SENTENCE (state.…)" for what a folder's maker says. */
static int folder_failed(struct invocation *v, int error, const char *text)
{
    static const struct {
        int error;
        const char *id;
    } ids[] = {
        {-EEXIST,  "state.not-empty"},
        {-EBADMSG, "state.malformed"},
        {-EINVAL,  "state.refused"  },
        {-EACCES,  "state.no-rights"},
        {-EROFS,   "state.read-only"},
        {-ENOSPC,  "state.disk-full"},
        {-ENOENT,  "state.no-parent"},
    };
    const char *id = "state.failed";
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (ids[i].error == error)
            id = ids[i].id;
    return call_fail(v, id, "%s", *text ? text : strerror(-error));
}

static int done(struct invocation *v, const char *sentence)
{
    if (option_given(v, OPTION_JSON)) {
        struct json_value *o = json_object(&v->arena);
        json_set_string(&v->arena, o, "state", slice_str(v->state));
        call_print_json(v, o);
    } else {
        fprintf(v->out, "%s in %s; start the daemon: entented --state %s\n", sentence, v->state, v->state);
    }
    return EXIT_DONE;
}

int cmd_init(struct invocation *v)
{
    struct buf topology = {0};
    char error[ERROR_TEXT] = "";
    struct net_addr address;
    if (net_addr_parse(option_slice(v, OPTION_ADDRESS), 0, &address) < 0) {
        fprintf(v->err, "entente: '%s' is not an address (--address)\n", v->options[OPTION_ADDRESS]);
        return EXIT_WRONG_USAGE;
    }
    if (option_given(v, OPTION_TOPOLOGY)) {
        int r = file_read(v, v->options[OPTION_TOPOLOGY], &topology);
        if (r)
            return r;
    }
    int r = central_init(&(struct central_init){.state_folder = v->state,
                                                .machine = option_slice(v, OPTION_MACHINE),
                                                .address = option_slice(v, OPTION_ADDRESS),
                                                .name = option_slice(v, OPTION_NAME),
                                                .domain = option_slice(v, OPTION_DOMAIN),
                                                .topology = buf_slice(&topology)},
                         error);
    buf_fini(&topology);
    return r < 0 ? folder_failed(v, r, error) : done(v, "central management is made");
}

int cmd_machine_join(struct invocation *v)
{
    struct buf bundle = {0};
    char error[ERROR_TEXT] = "";
    int r = file_read(v, v->arguments[0], &bundle);
    if (r == EXIT_DONE) {
        int joined = replica_join(v->state, buf_slice(&bundle), error);
        r = joined < 0 ? folder_failed(v, joined, error) : done(v, "the machine has joined");
    }
    secret_fini(&bundle);
    return r;
}
