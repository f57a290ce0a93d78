/*
 * What may stand next on a half-typed command line, a line each: completion of shells asks for it with every
 * key, so nothing is said when nobody answers.
 */
#include "cmd/entente/topology.h"

#include "kept/topology/edit.h"
#include "kept/topology/place.h"

struct completing {
    struct invocation *v;
    struct slice typed;  /* the word so far */
    struct slice before; /* the argument before it */
    size_t first;        /* of v->arguments: behind the command's words */
    const struct command *command;
};

static void offer(const struct completing *c, struct slice word, const char *end)
{
    if (!word.n || !slice_starts(word, c->typed))
        return;
    call_put(c->v->out, word);
    fprintf(c->v->out, "%s\n", end);
}

static const struct json_value *ask(const struct completing *c, const char *path)
{
    struct answer answer;
    c->v->quiet = true;
    return call_ask(c->v, "GET", slice_str(path), NULL, &answer) == EXIT_DONE ? answer.json : NULL;
}

static const struct json_value *draft(const struct completing *c)
{
    return json_get(ask(c, "/v1/draft?format=json"), "document");
}

/* --- paths --- */
enum which { ANY, SETTABLE, LISTS };

static bool wanted(const struct property *p, enum which which)
{
    bool list = p->type == PROPERTY_OBJECTS || p->type == PROPERTY_NAMES;
    return which == ANY ||
           (which == LISTS ? list : p->type != PROPERTY_OBJECTS && p->type != PROPERTY_OBJECT);
}

static bool leads_on(const struct property *p)
{
    return p->type == PROPERTY_OBJECTS || p->type == PROPERTY_OBJECT;
}

static struct slice below(const struct completing *c, struct slice parent, struct slice name)
{
    return arena_printf(&c->v->arena, SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(parent), parent.n ? "/" : "",
                        SLICE_ARG(name));
}

/* A list of objects is offered as it is where it is wanted, and with a slash to go on in it. */
static void offer_properties(const struct completing *c, struct slice parent, const struct kind *k,
                             enum which which)
{
    for (size_t i = 0; i < k->n_properties; i++) {
        const struct property *p = &k->properties[i];
        struct slice path = below(c, parent, slice_str(p->name));
        if (wanted(p, which))
            offer(c, path, "");
        if (leads_on(p))
            offer(c, path, "/");
    }
}

static void offer_path(const struct completing *c, enum which which)
{
    struct topology_place place;
    struct slice parent, last;
    topology_path_split(c->typed, &parent, &last);
    if (topology_place_find(parent, &place, NULL) < 0)
        return;
    if (place.is == PLACE_OBJECT) {
        offer_properties(c, parent, place.kind, which);
        return;
    }
    const struct json_value *list = topology_edit_get(draft(c), parent);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json_value *item = json_at(list, i);
        if (place.is == PLACE_LIST) {
            struct slice path = below(c, parent, json_get_string(item, kind_identity(place.kind)->name));
            if (which == ANY)
                offer(c, path, "");
            offer(c, path, "/");
        } else if (item->kind == JSON_STRING && which == ANY)
            offer(c, below(c, parent, item->string), "");
    }
}

static void complete_list(const struct completing *c)
{
    offer_path(c, LISTS);
}

static void complete_path(const struct completing *c)
{
    bool set = slice_eq(slice_str(c->command->words), SLICE("topology set"));
    offer_path(c, set ? SETTABLE : ANY);
}

/* --- values --- */
static void offer_names(const struct completing *c, const char *list, const char *identity)
{
    const struct json_value *objects = json_get(draft(c), list);
    for (size_t i = 0; i < json_count(objects); i++)
        offer(c, json_get_string(json_at(objects, i), identity), "");
}

static void offer_words(const struct completing *c, const char *words)
{
    struct slice word, rest = slice_str(words);
    for (bool more = true; more;) {
        more = slice_cut(rest, '|', &word, &rest);
        offer(c, more ? word : rest, "");
    }
}

static const struct {
    unsigned bit;
    const char *list, *identity;
} referred[] = {
    {REFERS_SITE,           "sites",           "name"},
    {REFERS_EDGE_POOL,      "edge_pools",      "fqdn"},
    {REFERS_FRONT_END_POOL, "front_end_pools", "fqdn"},
    {REFERS_DIRECTOR_POOL,  "director_pools",  "fqdn"},
    {REFERS_FOREIGN_POOL,   "foreign_pools",   "fqdn"},
    {REFERS_PROVIDER,       "providers",       "name"},
};

/* What a property takes: its words, or the names of what it may refer to. */
static void complete_value(const struct completing *c)
{
    struct topology_place place;
    if (topology_place_find(c->before, &place, NULL) < 0 || place.is != PLACE_PROPERTY)
        return;
    const struct property *p = place.property;
    if (p->type == PROPERTY_BOOL)
        offer_words(c, "true|false");
    if (p->values)
        offer_words(c, p->values);
    for (size_t i = 0; i < sizeof(referred) / sizeof(referred[0]); i++)
        if (p->refers & referred[i].bit)
            offer_names(c, referred[i].list, referred[i].identity);
}

static void complete_assignment(const struct completing *c)
{
    struct topology_place place;
    if (topology_place_find(c->before, &place, NULL) < 0 || place.is != PLACE_LIST)
        return;
    for (size_t i = 0; i < place.kind->n_properties; i++)
        if (!leads_on(&place.kind->properties[i]))
            offer(c, slice_str(place.kind->properties[i].name), "=");
}

static void complete_pool(const struct completing *c)
{
    offer_names(c, "edge_pools", "fqdn");
}

static void complete_machine(const struct completing *c)
{
    const struct json_value *machines = json_get(ask(c, "/v1/machines"), "machines");
    for (size_t i = 0; i < json_count(machines); i++)
        offer(c, json_get_string(json_at(machines, i), "fqdn"), "");
}

/* A service is of a whole pool or of one machine. */
static void complete_pool_or_machine(const struct completing *c)
{
    complete_pool(c);
    complete_machine(c);
}

static void complete_partner(const struct completing *c)
{
    offer_names(c, "partners", "domain");
}

static void complete_user(const struct completing *c)
{
    const struct json_value *users = json_get(ask(c, "/v1/users"), "users");
    for (size_t i = 0; i < json_count(users); i++)
        if (json_at(users, i)->kind == JSON_STRING)
            offer(c, json_at(users, i)->string, "");
}

static void complete_revision(const struct completing *c)
{
    const struct json_value *revisions = json_get(ask(c, "/v1/history"), "revisions");
    for (size_t i = 0; i < json_count(revisions); i++)
        offer(c,
              arena_printf(&c->v->arena, "%lld", (long long)json_get_int(json_at(revisions, i), "number", 0)),
              "");
}

static void complete_kept(const struct completing *c)
{
    const struct json_value *kept = json_get(ask(c, "/v1/certificates"), "kept");
    for (size_t i = 0; i < json_count(kept); i++)
        offer(c, json_get_string(json_at(kept, i), "name"), "");
}

/* The shell knows its files itself. */
static void complete_file(const struct completing *c)
{
    fputs(":FILE\n", c->v->out);
}

static void complete_kept_or_file(const struct completing *c)
{
    complete_file(c);
    complete_kept(c);
}

static void complete_shell(const struct completing *c)
{
    offer_words(c, "bash");
}

/* The words that may follow those that `help` was given. */
static void complete_command(const struct completing *c)
{
    struct slice typed = SLICE(""), last = SLICE_NONE;
    for (size_t i = c->first; i + 1 < c->v->n_arguments; i++)
        typed = arena_printf(&c->v->arena, SLICE_FMT "%s ", SLICE_ARG(typed), c->v->arguments[i]);
    for (size_t i = 0; i < n_commands; i++) {
        struct slice words = slice_str(commands[i].words), next, rest;
        if (!commands[i].help || !slice_starts(words, typed))
            continue;
        words = slice_from(words, typed.n);
        if (!slice_cut(words, ' ', &next, &rest))
            next = words;
        if (!slice_eq(next, last))
            offer(c, next, "");
        last = next;
    }
}

/* By the word that stands for the argument in the usage; noun: of these commands alone. */
static const struct {
    const char *argument, *noun;
    void (*complete)(const struct completing *c);
} arguments[] = {
    {"PATH",          NULL,       complete_path           },
    {"LISTPATH",      NULL,       complete_list           },
    {"VALUE",         NULL,       complete_value          },
    {"NAME=VALUE…", NULL,       complete_assignment     },
    {"POOL",          NULL,       complete_pool           },
    {"POOL|MACHINE",  NULL,       complete_pool_or_machine},
    {"MACHINE",       NULL,       complete_machine        },
    {"FILE",          NULL,       complete_file           },
    {"FILE.pem",      NULL,       complete_file           },
    {"REQUEST.pem",   NULL,       complete_file           },
    {"CERT",          NULL,       complete_file           },
    {"KEY",           NULL,       complete_file           },
    {"NAME",          "cert",     complete_kept           },
    {"NAME|FILE",     "cert",     complete_kept_or_file   },
    {"COMMAND…",    "help",     complete_command        },
    {"SHELL",         NULL,       complete_shell          },
    {"DOMAIN",        "partner",  complete_partner        },
    {"FQDN",          "machine",  complete_machine        },
    {"AOR",           "user",     complete_user           },
    {"REVISION",      "topology", complete_revision       },
    {"FROM",          "topology", complete_revision       },
    {"TO",            "topology", complete_revision       },
};

/* The i-th word of the usage, without brackets; the last one again and again when it repeats. */
static struct slice argument_word(const struct command *c, size_t i)
{
    struct slice word = SLICE_NONE, rest = slice_str(c->arguments);
    bool more = rest.n > 0;
    for (size_t k = 0; more && k <= i; k++) {
        more = slice_cut(rest, ' ', &word, &rest);
        if (!more)
            word = rest;
        if (!more && k < i && slice_search(word, SLICE("…")) == SIZE_MAX)
            return SLICE_NONE;
    }
    while (slice_starts(word, SLICE("[")))
        word = slice_from(word, 1);
    while (slice_ends(word, SLICE("]")))
        word = slice_head(word, word.n - 1);
    return word;
}

static void complete_argument(const struct completing *c, struct slice word)
{
    for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
        if (slice_eq(word, slice_str(arguments[i].argument)) &&
            (!arguments[i].noun ||
             slice_starts(slice_str(c->command->words), slice_str(arguments[i].noun)))) {
            arguments[i].complete(c);
            return;
        }
}

/* The words of the line behind `entente`, without options; the last is the one that is being typed. With
 * ":POOL" in front of it: a value of that kind. */
int cmd_complete(struct invocation *v)
{
    size_t used, n = v->n_arguments;
    if (n == 0)
        return EXIT_DONE;
    struct completing c = {.v = v, .typed = argument(v, n - 1)};
    if (n == 2 && v->arguments[0][0] == ':') {
        c.command = v->command;
        complete_argument(&c, slice_from(argument(v, 0), 1));
        return EXIT_DONE;
    }
    c.command = command_find(v->arguments, n - 1, &used);
    if (!c.command)
        return EXIT_DONE;
    bool repeats = slice_ends(slice_str(c.command->arguments), SLICE("…"));
    c.first = used;
    c.before = n - 1 > used ? argument(v, repeats ? used : n - 2) : SLICE_NONE;
    complete_argument(&c, argument_word(c.command, n - 1 - used));
    return EXIT_DONE;
}
