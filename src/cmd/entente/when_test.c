#include "cmd/entente/when.h"

#include "ground/base/test.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

TEST(points_of_time)
{
    static const int64_t now = 1000, none = -1;
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        {"2026-12-01",           1796083200000 - 2 * 3600000        },
        {"2026-12-01T08:00",     1796083200000 + 6 * 3600000        },
        {"2026-12-01 08:00Z",    1796083200000 + 8 * 3600000        },
        {"2026-12-01T08:00:30Z", 1796083200000 + 8 * 3600000 + 30000},
        {"+90m",                 1000 + 90 * 60000                  },
        {"+12h",                 1000 + 12 * 3600000                },
        {"+3d",                  1000 + 3 * 86400000LL              },
        {"2026-11-31",           none                               },
        {"2026-13-01",           none                               },
        {"tomorrow",             none                               },
        {"+3",                   none                               },
        {"+3dd",                 none                               },
        {"+-3d",                 none                               },
        {"+d",                   none                               },
        {"2026-12-01T08:00X",    none                               },
        {"",                     none                               },
    };
    setenv("TZ", "UTC-2", 1); /* two hours east */
    tzset();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t got = none;
        int r = when_parse(rows[i].text, now, &got);
        if (got != rows[i].want || r != (got == none ? -EINVAL : 0))
            TEST_DIAG("%s: %d, %lld", rows[i].text, r, (long long)got);
    }
}

TEST_MAIN(points_of_time)
