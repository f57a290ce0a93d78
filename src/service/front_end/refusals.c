#include "service/front_end/refusals.h"

#define FRONT_END_REFUSAL(name, ...) const struct refusal REFUSE_FE_##name = {__VA_ARGS__};
FRONT_END_REFUSALS(FRONT_END_REFUSAL)
