#include "kept/topology/check_priv.h"

#define CHECK_ROW(id, function) {id, check_##function},

const struct topology_check topology_checks[] = {CHECKS_OF_ROUTES(CHECK_ROW) CHECKS_OF_POOLS(CHECK_ROW)
                                                     CHECKS_OF_CLASHES(CHECK_ROW)};
const size_t topology_n_checks = sizeof(topology_checks) / sizeof(topology_checks[0]);

void topology_check_all(const struct topology *t, struct findings *f)
{
    for (size_t i = 0; i < topology_n_checks; i++)
        topology_checks[i].run(t, f);
}

struct slice check_path(struct findings *f, const char *list, struct slice name, const char *property)
{
    return arena_printf(&f->arena, "%s%s" SLICE_FMT "%s%s", list, name.n ? "/" : "", SLICE_ARG(name),
                        property ? "/" : "", property ? property : "");
}
