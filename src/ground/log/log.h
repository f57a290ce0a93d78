/*
 * log/log.h - one line an event: for people on a terminal, JSON otherwise.
 *
 * Every event has a stable id "module.what-happened" (lower case, dots and hyphens), which operators and
 * tests may rely on. Fields carry what is variable by name; the text is one sentence. Never pass a secret
 * (keys, passwords, digest answers, bodies): nothing here can tell. Thread-safe; a line is one write(2),
 * never torn. Text that a peer sent is escaped (control characters, invalid UTF-8), so a log line is always
 * one line.
 *
 *     log_event(LOG_WARN, "edge.refused", FIELDS({"peer", peer}, {"call_id", id}), "refused %s", why);
 */
#pragma once

#include "ground/base/buf.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON }; /* auto: text when fd is a terminal */

struct log_field {
    const char *key;
    struct slice value;
};

/* To fd (2 when never called); `program` and `machine` stand in each JSON line. Strings are copied. */
void log_setup(enum log_format format, enum log_level least, const char *program, const char *machine,
               int fd);
/* Once the process knows which machine it is. */
void log_setup_machine(const char *machine);
/* On: lines are written by a thread of their own, so that a log that nobody reads holds up no worker; what
 * waits is bounded, what is dropped is counted (log.dropped). Off: writes what waits (a second at the most).
 * Off by default. */
void log_write_behind(bool on);
int log_level_parse(struct slice name, enum log_level *ret);
bool log_enabled(enum log_level level);

#define FIELDS(...)                                                                                          \
    (const struct log_field[])                                                                               \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            NULL,                                                                                            \
            {                                                                                                \
                NULL, 0                                                                                      \
            }                                                                                                \
        }                                                                                                    \
    }
/* fields: NULL, or an array that a NULL key ends. */
__attribute__((format(printf, 4, 5))) void log_event(enum log_level level, const char *id,
                                                     const struct log_field *fields, const char *fmt, ...);

/* What stands between the quotes of a JSON string: escaped, invalid UTF-8 replaced; cut after about `max`
 * bytes. */
void log_put_json(struct buf *out, struct slice s, size_t max);
/* As it is, but that what is no UTF-8 is replaced. */
void log_put_utf8(struct buf *out, struct slice s);

#define log_debug(id, ...) log_event(LOG_DEBUG, id, NULL, __VA_ARGS__)
#define log_info(id, ...) log_event(LOG_INFO, id, NULL, __VA_ARGS__)
#define log_warn(id, ...) log_event(LOG_WARN, id, NULL, __VA_ARGS__)
#define log_error(id, ...) log_event(LOG_ERROR, id, NULL, __VA_ARGS__)
