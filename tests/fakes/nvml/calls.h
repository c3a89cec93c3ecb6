/* The start of every call: count it, read the scenario, trigger its faults, find the GPU. */
#ifndef CALLS_H
#define CALLS_H

#include <string.h>

#include "nvml_types.h"
#include "weather.h"

/* The target of a device handle. `mig` is the index among the GPU's instances, -1 for the whole GPU. */
struct Handle { int gpu, mig; };
nvmlDevice_t handle_of(int gpu, int mig);
bool handle_is_valid(nvmlDevice_t handle);

void count_call(enum Function function);
void set_initialized(bool value);

/* Faults of a function, for all GPUs (`gpu` < 0) or for one: may wait, may never return. */
nvmlReturn_t suffer(enum Function function, int gpu);

/* Start of a call without a GPU. */
nvmlReturn_t enter(enum Function function);
/* Start of a call on a whole GPU; a MIG instance returns NotSupported. */
nvmlReturn_t enter_gpu(enum Function function, nvmlDevice_t handle, const struct Gpu **gpu);
/* Start of a call on a GPU or one of its MIG instances (`instance` is NULL on a whole GPU). */
nvmlReturn_t enter_device(
    enum Function function, nvmlDevice_t handle, const struct Gpu **gpu, const struct MigInstance **instance);

/* The place of a GPU on the bus. */
nvmlReturn_t give_pci(const struct Gpu *gpu, struct PciInfo *out);

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

/* Return one value, or its error code. */
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

/* The value itself, or while it is unset the one it follows. */
static inline struct Answer or_else(struct Answer answer, struct Answer followed)
{
    return answer.status == UNSET ? followed : answer;
}

#endif
