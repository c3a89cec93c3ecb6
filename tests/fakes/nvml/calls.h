/* The head of every call: count it, look at the weather, suffer its faults, find the GPU. */
#ifndef CALLS_H
#define CALLS_H

#include <string.h>

#include "nvml_types.h"
#include "weather.h"

/* What a device handle points to. `mig` is the place among the GPU's instances, -1 for the whole GPU. */
struct Handle { int gpu, mig; };
nvmlDevice_t handle_of(int gpu, int mig);
bool handle_is_valid(nvmlDevice_t handle);

void count_call(enum Function function);
void set_initialized(bool value);

/* Faults ordered for a function, for all (`gpu` < 0) or for one GPU: may wait, may not come back. */
nvmlReturn_t suffer(enum Function function, int gpu);

/* Head of a call that concerns no GPU. */
nvmlReturn_t enter(enum Function function);
/* Head of a call on a whole GPU; a MIG instance answers NotSupported. */
nvmlReturn_t enter_gpu(enum Function function, nvmlDevice_t handle, const struct Gpu **gpu);
/* Head of a call on a GPU or a MIG instance of it (`instance` is NULL on a whole GPU). */
nvmlReturn_t enter_device(
    enum Function function, nvmlDevice_t handle, const struct Gpu **gpu, const struct MigInstance **instance);

#define ENTER(name) \
    do { \
        nvmlReturn_t trouble_ = enter(FN_##name); \
        if (trouble_ != SUCCESS) return trouble_; \
    } while (0)

#define ENTER_GPU(name, handle) \
    const struct Gpu *gpu; \
    do { \
        nvmlReturn_t trouble_ = enter_gpu(FN_##name, handle, &gpu); \
        if (trouble_ != SUCCESS) return trouble_; \
    } while (0)

#define ENTER_DEVICE(name, handle) \
    const struct Gpu *gpu; \
    const struct MigInstance *instance; \
    do { \
        nvmlReturn_t trouble_ = enter_device(FN_##name, handle, &gpu, &instance); \
        if (trouble_ != SUCCESS) return trouble_; \
    } while (0)

/* Give one figure, or end as it says. */
static inline nvmlReturn_t give(struct Answer answer, unsigned *out)
{
    if (out == NULL)
        return INVALID_ARGUMENT;
    if (answer.status == SUCCESS)
        *out = (unsigned)answer.value;
    return answer.status;
}

static inline nvmlReturn_t give_text(const char *text, char *out, unsigned size)
{
    if (out == NULL)
        return INVALID_ARGUMENT;
    if (strlen(text) >= size)
        return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

static inline bool has_mig(const struct Gpu *gpu)
{
    return gpu->mig.status == SUCCESS && gpu->mig.value == 1;
}

/* The figure itself, or the one it follows while it is not set. */
static inline struct Answer or_else(struct Answer answer, struct Answer followed)
{
    return answer.status == UNSET ? followed : answer;
}

#endif
