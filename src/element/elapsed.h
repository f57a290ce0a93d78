/*
 * element/elapsed.h - time since something that another worker may have noted.
 *
 * Each worker has the time of its own turn (loop_now): what one has just written may lie some milliseconds
 * ahead of what another calls now. Then no time has gone by, and not 2^64 milliseconds.
 */
#pragma once

#include <stdint.h>

static inline uint64_t elapsed_ms(uint64_t since, uint64_t now)
{
    return now > since ? now - since : 0;
}
