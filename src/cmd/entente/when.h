/* cmd/entente/when.h - points of time as people type them. */
#pragma once

#include <stdint.h>

/* "2026-12-01", "2026-12-01T08:00", "2026-12-01 08:00:30": local time, as times are shown, or UTC with a Z
 * behind; "+90m",
 * "+12h", "+3d" from now. Milliseconds since 1970. -EINVAL */
int when_parse(const char *text, int64_t now_ms, int64_t *ret);
