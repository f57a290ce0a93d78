/* A parsed message that stands alone (sip/msg.h): what pointed into the text points into its copy. */
#include "wire/sip/msg.h"

struct copying {
    const char *from, *end; /* the old text */
    const char *to;         /* its copy */
    struct arena *a;
};

/* What was unfolded stands elsewhere, and is copied by itself. */
static void move(const struct copying *c, struct slice *s)
{
    if (s->n == 0)
        s->p = s->p ? c->to : NULL;
    else if (s->p >= c->from && s->p < c->end)
        s->p = c->to + (s->p - c->from);
    else
        *s = arena_copy(c->a, *s);
}

static void move_uri(const struct copying *c, struct sip_uri *u)
{
    move(c, &u->text);
    move(c, &u->user);
    move(c, &u->password);
    move(c, &u->host);
    move(c, &u->params);
    move(c, &u->headers);
}

static void move_addr(const struct copying *c, struct sip_addr *a)
{
    move(c, &a->display);
    move(c, &a->uri_text);
    move(c, &a->params);
    move_uri(c, &a->uri);
}

static void move_via(const struct copying *c, struct sip_via *v)
{
    move(c, &v->transport_name);
    move(c, &v->host);
    move(c, &v->params);
    move(c, &v->branch);
    move(c, &v->received);
    move(c, &v->maddr);
}

void sip_msg_copy(const struct sip_msg *m, struct arena *a, struct sip_msg *ret)
{
    struct slice text = arena_copy(a, m->text);
    struct copying c = {m->text.p, m->text.p + m->text.n, text.p, a};
    *ret = *m;
    ret->headers = arena_alloc(a, m->n_headers * sizeof(m->headers[0]));
    for (size_t i = 0; i < m->n_headers; i++) {
        ret->headers[i] = m->headers[i];
        move(&c, &ret->headers[i].name);
        move(&c, &ret->headers[i].value);
        move(&c, &ret->headers[i].line);
    }
    struct slice *const slices[] = {&ret->text,       &ret->method_name,      &ret->uri,     &ret->reason,
                                    &ret->start_line, &ret->cseq_method_name, &ret->call_id, &ret->from_tag,
                                    &ret->to_tag,     &ret->branch,           &ret->body};
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
        move(&c, slices[i]);
    move_via(&c, &ret->via);
    move_addr(&c, &ret->from);
    move_addr(&c, &ret->to);
}
