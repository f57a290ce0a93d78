#include "service/access_edge/refusals.h"

#define EDGE_REFUSAL_ROW(name, ...) const struct refusal EDGE_##name = {__VA_ARGS__};
EDGE_REFUSALS(EDGE_REFUSAL_ROW)
