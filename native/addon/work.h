/* Work on a Buffer that runs on a thread of Node's pool and gives a Buffer: what the compressing addons share. */
#ifndef CORACLE_WORK_H
#define CORACLE_WORK_H

#include "addon.h"

struct work {
    struct addon_work queued;
    /* Keeps the input alive. */
    napi_ref input;
    const void *bytes;
    size_t count;
    int64_t option;
    /* What was made, malloc'ed; NULL with `failure` set when nothing was. */
    void *made;
    size_t size;
    int failure;
    void (*run)(struct work *work);
};

/* Starts `run` for a call of (Buffer, number); a promise of what it makes, or NULL with an exception pending. */
napi_value work_start(napi_env env, napi_callback_info info, const char *name, int64_t least, int64_t most, void (*run)(struct work *work));

#endif
