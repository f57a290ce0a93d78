/* Who has series of its own, and who has lines in the access log. */
#include "element/shard.h"

#include "ground/base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct request_record next;

static void describe(const struct request *rq, struct request_record *ret)
{
    (void)rq;
    *ret = next;
}

static const struct element_ops ops = {.describe = describe};
static struct element *element;
static struct shard *shard;
static struct element_config *config;

static void begin(void)
{
    element = MEM_NEW(struct element);
    shard = MEM_NEW(struct shard);
    config = element_config_new();
    config->ops = &ops;
    element->names = account_names_new();
    element->shards = MEM_NEW(struct shard *);
    element->shards[0] = shard;
    element->n = 1;
    shard->e = element;
    shard->accounts = accounts_new();
}

static void end(void)
{
    account_names_free(element->names);
    accounts_free(shard->accounts);
    element_config_unref(config);
    mem_free(element->shards);
    mem_free(shard);
    mem_free(element);
}

static void over(const char *partner, bool monitored)
{
    struct request *rq = MEM_NEW(struct request);
    rq->s = shard;
    rq->config = config;
    rq->last_status = 200;
    next = (struct request_record){.direction = RECORD_INWARDS,
                                   .partner = slice_str(partner),
                                   .partner_counts = true,
                                   .monitored = monitored};
    account_over(rq);
    mem_free(rq);
}

struct sought {
    const char *name;
    uint64_t requests; /* 0: it has no series */
};

static void seen(void *arg, const char *name, const struct account_sums by_direction[RECORD_DIRECTIONS])
{
    struct sought *s = arg;
    if (strcmp(name, s->name) == 0)
        s->requests = by_direction[RECORD_INWARDS].by_class[2];
}

static uint64_t requests_of(const char *name)
{
    struct sought s = {name, 0};
    element_accounts(element, ACCOUNT_PARTNER, seen, &s);
    return s.requests;
}

TEST(monitored_partners_find_room)
{
    enum { BEYOND = 5 };
    char name[32];
    begin();
    for (int i = 0; i < ACCOUNT_MAX_PARTNERS - 1 + BEYOND; i++) {
        snprintf(name, sizeof(name), "p%d.example", i);
        over(name, false);
    }
    CHECK_INT(requests_of("p0.example"), 1);
    CHECK_INT(requests_of(name), 0);
    CHECK_INT(requests_of("other"), BEYOND);
    over("watched.example", true);
    over("watched.example", true);
    over("late.example", false);
    CHECK_INT(requests_of("watched.example"), 2);
    CHECK_INT(requests_of("late.example"), 0);
    for (int i = 0; i < ACCOUNT_MAX_MONITORED + BEYOND; i++) {
        snprintf(name, sizeof(name), "m%d.example", i);
        over(name, true);
    }
    CHECK_INT(requests_of("m0.example"), 1);
    CHECK_INT(requests_of(name), 0);
    CHECK_INT(requests_of("other"), BEYOND + 1 + BEYOND + 1);
    end();
}

TEST_MAIN(monitored_partners_find_room)
