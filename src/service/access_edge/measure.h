/*
 * access_edge/measure.h - what a discovered partner may do: one domain's share of messages and addresses, and
 * the judgement of what its messages come to. Pure: `now` is in milliseconds and may stand still or go back a
 * little (workers read their clocks at different moments).
 *
 * Three limits, each off when its number is 0:
 *
 *  rate       messages a second, as a bucket that holds one second's worth
 *  addresses  different addresses of ours, existing or not; who has tried that many may go on with those, and
 *             with no other
 *  failures   when, of at least `failures_least` answers to its messages within the last window, at least
 *             `failures_percent` were failures that guessing brings about (measure_counts_as), the domain is
 *             suspicious and held to `suspicious_rate`; until they are fewer than that in a whole window, or
 *             none came for so long
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEASURE_MAX_ADDRESSES = 1000000 };
struct measure_limits {
    uint32_t rate, suspicious_rate;
    uint32_t addresses;
    uint32_t failures_percent, failures_least;
    uint32_t window_ms;
};

/* Why a domain is on the watch list: bits. */
enum { MEASURE_RATE = 1, MEASURE_ADDRESSES = 2, MEASURE_FAILURES = 4 };
/* "rate", "addresses", "failures"; of several, the gravest. */
const char *measure_why_text(unsigned why);

struct measure {
    uint64_t *seen; /* hashes of addresses, open addressing; 0 is an empty place */
    uint32_t n_seen, cap_seen;
    uint64_t filled_ms; /* when the bucket was looked at last */
    uint64_t milli;     /* messages in the bucket, in thousandths */
    uint64_t half_ms;   /* when the younger half of the window began */
    struct {
        uint32_t answers, failures;
    } half[2]; /* the younger, the older */
    bool suspicious;
    unsigned why; /* MEASURE_…: limits that were ever met */
    uint64_t since_ms;
    uint64_t messages, refused, answers, failures; /* of all time */
};
/* {0} is a valid new one. */
void measure_fini(struct measure *m);

enum measure_verdict { MEASURE_PASSES, MEASURE_TOO_FAST, MEASURE_SUSPICIOUS, MEASURE_NEW_ADDRESS };
/*
 * One message came. address: hash of the address of ours that it is for, 0 for none (within a dialog).
 * must_pass: never refused, but counted (what ends a call or answers for one). ret_wait_ms: after this time
 * the next one may pass. ret_news: MEASURE_… met for the first time, 0 for none.
 */
enum measure_verdict measure_message(struct measure *m, const struct measure_limits *l, uint64_t now,
                                     uint64_t address, bool must_pass, uint32_t *ret_wait_ms,
                                     unsigned *ret_news);

/* Does a final response tell that the sender guessed? Failures of our own and the everyday answers of people
 * and calls (busy, declined, not there, not authenticated yet) do not. */
enum measure_answer { MEASURE_SUCCESS, MEASURE_FAILURE, MEASURE_NEITHER };
enum measure_answer measure_counts_as(unsigned status);
/* A final response to one of its messages. ret_news as above. */
void measure_response(struct measure *m, const struct measure_limits *l, uint64_t now, unsigned status,
                      unsigned *ret_news);
