/* The words of sip/msg.h: methods, header names, flaws, reason phrases, characters of a token. */
#include "wire/sip/msg.h"

#include <stdlib.h>

#include "ground/base/text.h"

enum { NAME_SLOTS = 256, NAME_ROOM = 30 };
enum { FACTOR_N = 1, FACTOR_FIRST = 2, FACTOR_LAST = 31 };

#define METHOD_ROW(name) [SIP_##name] = SLICE_INIT(#name),
static const struct slice methods[SIP_METHOD_OTHER] = {SIP_METHODS(METHOD_ROW)};

#define HEADER_ROW(id, name, compact) [SIP_H_##id] = (name),
#define COMPACT_ROW(id, name, compact) [SIP_H_##id] = (compact),
static const char *const header_names[SIP_H_COUNT] = {SIP_HEADERS(HEADER_ROW)};
static const char *const compact_names[SIP_H_COUNT] = {SIP_HEADERS(COMPACT_ROW)};

#define FLAW_ROW(id, status, text) [SIP_FLAW_##id] = {#id, status, text},
static const struct flaw_row {
    const char *id;
    unsigned status;
    const char *text;
} flaws[SIP_FLAW_COUNT] = {SIP_FLAWS(FLAW_ROW)};

/* RFC 3261 section 21, and the registry's later ones that an element meets. */
static const struct {
    unsigned status;
    const char *phrase;
} reasons[] = {
    {100, "Trying"                          },
    {180, "Ringing"                         },
    {181, "Call Is Being Forwarded"         },
    {182, "Queued"                          },
    {183, "Session Progress"                },
    {199, "Early Dialog Terminated"         },
    {200, "OK"                              },
    {202, "Accepted"                        },
    {204, "No Notification"                 },
    {300, "Multiple Choices"                },
    {301, "Moved Permanently"               },
    {302, "Moved Temporarily"               },
    {305, "Use Proxy"                       },
    {380, "Alternative Service"             },
    {400, "Bad Request"                     },
    {401, "Unauthorized"                    },
    {402, "Payment Required"                },
    {403, "Forbidden"                       },
    {404, "Not Found"                       },
    {405, "Method Not Allowed"              },
    {406, "Not Acceptable"                  },
    {407, "Proxy Authentication Required"   },
    {408, "Request Timeout"                 },
    {410, "Gone"                            },
    {412, "Conditional Request Failed"      },
    {413, "Request Entity Too Large"        },
    {414, "Request-URI Too Long"            },
    {415, "Unsupported Media Type"          },
    {416, "Unsupported URI Scheme"          },
    {417, "Unknown Resource-Priority"       },
    {420, "Bad Extension"                   },
    {421, "Extension Required"              },
    {422, "Session Interval Too Small"      },
    {423, "Interval Too Brief"              },
    {424, "Bad Location Information"        },
    {428, "Use Identity Header"             },
    {429, "Provide Referrer Identity"       },
    {430, "Flow Failed"                     },
    {433, "Anonymity Disallowed"            },
    {436, "Bad Identity Info"               },
    {437, "Unsupported Credential"          },
    {438, "Invalid Identity Header"         },
    {439, "First Hop Lacks Outbound Support"},
    {440, "Max-Breadth Exceeded"            },
    {469, "Bad Info Package"                },
    {470, "Consent Needed"                  },
    {480, "Temporarily Unavailable"         },
    {481, "Call/Transaction Does Not Exist" },
    {482, "Loop Detected"                   },
    {483, "Too Many Hops"                   },
    {484, "Address Incomplete"              },
    {485, "Ambiguous"                       },
    {486, "Busy Here"                       },
    {487, "Request Terminated"              },
    {488, "Not Acceptable Here"             },
    {489, "Bad Event"                       },
    {491, "Request Pending"                 },
    {493, "Undecipherable"                  },
    {494, "Security Agreement Required"     },
    {500, "Server Internal Error"           },
    {501, "Not Implemented"                 },
    {502, "Bad Gateway"                     },
    {503, "Service Unavailable"             },
    {504, "Server Time-out"                 },
    {505, "Version Not Supported"           },
    {513, "Message Too Large"               },
    {580, "Precondition Failure"            },
    {600, "Busy Everywhere"                 },
    {603, "Decline"                         },
    {604, "Does Not Exist Anywhere"         },
    {606, "Not Acceptable"                  },
    {607, "Unwanted"                        },
    {608, "Rejected"                        },
};

/* RFC 3261 25.1: token. */
static const bool token_chars[256] = {
    ['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['-'] = true, ['.'] = true,
    ['!'] = true,         ['%'] = true,         ['*'] = true,         ['_'] = true, ['+'] = true,
    ['`'] = true,         ['\''] = true,        ['~'] = true,
};

/*
 * Long and compact names in a table over length, first and last character. The factors were searched so that
 * no two names meet: one look and one comparison a row. Filled before main, only read
 * afterwards.
 */
static struct name_slot {
    char name[NAME_ROOM]; /* lower case */
    uint8_t n;            /* 0: free */
    uint8_t id;
} name_slots[NAME_SLOTS];

static inline struct name_slot *name_slot(const char *p, size_t n)
{
    unsigned first = (unsigned char)p[0] | 0x20u;
    unsigned last = (unsigned char)p[n - 1] | 0x20u;
    return &name_slots[((unsigned)n * FACTOR_N + first * FACTOR_FIRST + last * FACTOR_LAST) % NAME_SLOTS];
}

static void name_add(const char *name, enum sip_header_id id)
{
    size_t n = strlen(name);
    if (n == 0)
        return;
    struct name_slot *slot = name_slot(name, n);
    if (slot->n)
        abort(); /* two names meet: other factors are wanted */
    for (size_t k = 0; k < n; k++)
        slot->name[k] = text_lower(name[k]);
    slot->n = (uint8_t)n;
    slot->id = (uint8_t)id;
}

#define HEADER_FITS(id, name, compact)                                                                       \
    _Static_assert(sizeof(name) <= NAME_ROOM + 1, "NAME_ROOM is too small for " name);
SIP_HEADERS(HEADER_FITS)

__attribute__((constructor)) static void names_init(void)
{
    for (unsigned i = 0; i < SIP_H_COUNT; i++) {
        name_add(header_names[i], (enum sip_header_id)i);
        name_add(compact_names[i], (enum sip_header_id)i);
    }
}

/*
 * Known names are letters and '-' alone. Setting bit 5 maps only their upper case onto them, and CR onto '-',
 * which no name can contain: comparing with the bit set is exact.
 */
static inline bool same8(const char *lower, const char *p)
{
    uint64_t a, b;
    memcpy(&a, lower, sizeof(a));
    memcpy(&b, p, sizeof(b));
    return a == (b | 0x2020202020202020u);
}

static inline bool same4(const char *lower, const char *p)
{
    uint32_t a, b;
    memcpy(&a, lower, sizeof(a));
    memcpy(&b, p, sizeof(b));
    return a == (b | 0x20202020u);
}

/* In steps of a word; the last one overlaps. */
static inline bool name_same(const char *lower, const char *p, size_t n)
{
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8)
            if (!same8(lower + i, p + i))
                return false;
        return same8(lower + n - 8, p + n - 8);
    }
    if (n >= 4)
        return same4(lower, p) && same4(lower + n - 4, p + n - 4);
    return lower[0] == (char)(p[0] | 0x20) && lower[n / 2] == (char)(p[n / 2] | 0x20) &&
           lower[n - 1] == (char)(p[n - 1] | 0x20);
}

enum sip_header_id sip_header_id_parse(struct slice name)
{
    if (name.n == 0 || name.n > NAME_ROOM)
        return SIP_H_OTHER;
    const struct name_slot *slot = name_slot(name.p, name.n);
    bool known = slot->n == name.n && name_same(slot->name, name.p, name.n);
    return known ? (enum sip_header_id)slot->id : SIP_H_OTHER;
}

const char *sip_header_name(enum sip_header_id id)
{
    return (unsigned)id < SIP_H_COUNT ? header_names[id] : "";
}

enum sip_method sip_method_parse(struct slice name)
{
    for (unsigned i = 0; i < SIP_METHOD_OTHER; i++)
        if (slice_eq(methods[i], name))
            return (enum sip_method)i;
    return SIP_METHOD_OTHER;
}

const char *sip_method_name(enum sip_method m)
{
    return (unsigned)m < SIP_METHOD_OTHER ? methods[m].p : "";
}

const char *sip_reason_phrase(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].phrase;
    return "";
}

bool sip_is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!token_chars[(unsigned char)s.p[i]])
            return false;
    return s.n > 0;
}

#define FLAW_ID_ROOM 24
static char flaw_ids[SIP_FLAW_COUNT][FLAW_ID_ROOM];

/* "START_LINE" is shown as "start-line". */
__attribute__((constructor)) static void flaw_ids_init(void)
{
    for (unsigned i = 0; i < SIP_FLAW_COUNT; i++)
        for (unsigned k = 0; flaws[i].id[k] && k < FLAW_ID_ROOM - 1; k++)
            flaw_ids[i][k] = (char)(flaws[i].id[k] == '_' ? '-' : text_lower(flaws[i].id[k]));
}

const char *sip_flaw_id(enum sip_flaw f)
{
    return (unsigned)f < SIP_FLAW_COUNT ? flaw_ids[f] : "";
}

const char *sip_flaw_text(enum sip_flaw f)
{
    return (unsigned)f < SIP_FLAW_COUNT ? flaws[f].text : "";
}

unsigned sip_flaw_status(enum sip_flaw f)
{
    return (unsigned)f < SIP_FLAW_COUNT ? flaws[f].status : 0;
}
