#include "ground/http/http.h"

#include "service/transition/priv.h"

bool transition_api(struct transition *t, struct http_request *rq)
{
    struct slice path = http_path(rq);
    struct buf out = {0};
    if (!slice_eq(path, SLICE("/v1/transition")) && !slice_starts(path, SLICE("/v1/transition/")))
        return false;
    unsigned status = transition_answer(t, http_method(rq), path, http_body(rq), &out);
    http_respond(rq, status, "application/json", buf_slice(&out));
    buf_fini(&out);
    return true;
}
