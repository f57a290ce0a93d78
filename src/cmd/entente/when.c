#include "cmd/entente/when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WHEN_MAX_COUNT = 1000000 };

static int after(const char *text, int64_t now_ms, int64_t *ret)
{
    static const struct {
        char letter;
        int64_t ms;
    } units[] = {
        {'m', 60 * 1000         },
        {'h', 3600 * 1000       },
        {'d', 24LL * 3600 * 1000}
    };
    char *end;
    long n = strtol(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (end != text && n >= 0 && n <= WHEN_MAX_COUNT && end[0] == units[i].letter && !end[1]) {
            *ret = now_ms + n * units[i].ms;
            return 0;
        }
    return -EINVAL;
}

int when_parse(const char *text, int64_t now_ms, int64_t *ret)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S",
                                        "%Y-%m-%d %H:%M:%S"};
    if (text[0] == '+')
        return after(text + 1, now_ms, ret);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (!end || (*end && strcmp(end, "Z") != 0))
            continue;
        tm.tm_isdst = -1;
        struct tm normal = tm;
        time_t s = *end ? timegm(&normal) : mktime(&normal);
        if (s < 0 || normal.tm_mday != tm.tm_mday) /* a 31st of November */
            return -EINVAL;
        *ret = (int64_t)s * 1000;
        return 0;
    }
    return -EINVAL;
}
