/* Which machine of a pool comes first, and which then. */
#include "kept/topology/topology.h"

size_t topology_machine_pick(const struct topology_machine *m, size_t n, uint64_t spread)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++)
        all += (uint64_t)m[i].weight;
    if (all == 0)
        return n ? spread % n : 0;
    uint64_t at = spread % all;
    for (size_t i = 0; i < n; i++) {
        if (at < (uint64_t)m[i].weight)
            return i;
        at -= (uint64_t)m[i].weight;
    }
    return 0;
}

size_t topology_machine_next(const struct topology_machine *m, size_t n, size_t first, size_t step)
{
    size_t at = 0;
    for (int standby = 0; standby < 2; standby++)
        for (size_t i = 0; i < n; i++) {
            size_t k = (first + i) % n;
            if (i == 0 ? standby == 0 : (m[k].weight == 0) == (standby == 1))
                if (at++ == step)
                    return k;
        }
    return first;
}
