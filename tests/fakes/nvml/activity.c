/* GPM: a sample remembers its GPU or GPU instance and its time; the metrics between two samples are the scenario's. */
#include <stdlib.h>

#include "calls.h"

/* `mig` is the place of the GPU instance's first compute instance, -1 for the whole GPU. */
struct GpmSample { nvmlDevice_t device; int mig; uint64_t at_ns; };

NEWER_API nvmlGpmQueryDeviceSupport(nvmlDevice_t handle, struct GpmSupport *out)
{
    ENTER_GPU(nvmlGpmQueryDeviceSupport, handle);
    if (out->version != GPM_VERSION)
        return ARGUMENT_VERSION_MISMATCH;
    out->is_supported = (unsigned)gpu->gpm.value;
    return gpu->gpm.status;
}

NEWER_API nvmlGpmSampleAlloc(struct GpmSample **out)
{
    ENTER(nvmlGpmSampleAlloc);
    *out = calloc(1, sizeof **out);
    return *out == NULL ? OUT_OF_MEMORY : SUCCESS;
}

NEWER_API nvmlGpmSampleFree(struct GpmSample *sample)
{
    ENTER(nvmlGpmSampleFree);
    free(sample);
    return SUCCESS;
}

NEWER_API nvmlGpmSampleGet(nvmlDevice_t handle, struct GpmSample *sample)
{
    ENTER_GPU(nvmlGpmSampleGet, handle);
    if (gpu->gpm.status != SUCCESS || gpu->gpm.value == 0 || has_mig(gpu))
        return NOT_SUPPORTED;
    *sample = (struct GpmSample){handle, -1, monotonic_ns()};
    return SUCCESS;
}

NEWER_API nvmlGpmMigSampleGet(nvmlDevice_t handle, unsigned gpu_instance, struct GpmSample *sample)
{
    ENTER_GPU(nvmlGpmMigSampleGet, handle);
    if (gpu->gpm.status != SUCCESS || gpu->gpm.value == 0 || !has_mig(gpu))
        return NOT_SUPPORTED;
    for (int place = 0; place < MAX_MIG; place++)
        if (gpu->instances[place].present && gpu->instances[place].gpu_instance == gpu_instance) {
            *sample = (struct GpmSample){handle, place, monotonic_ns()};
            return SUCCESS;
        }
    return NOT_FOUND;
}

static struct Answer activity(const struct Gpu *gpu, int mig, unsigned id)
{
    switch (id) {
    case GPM_SM: return mig < 0 ? gpu->gpm_sm : or_else(gpu->mig_gpm_sm[mig], gpu->gpm_sm);
    case GPM_TENSOR: return gpu->gpm_tensor;
    case GPM_DRAM: return gpu->gpm_dram;
    default: return (struct Answer){.status = NOT_SUPPORTED};
    }
}

NEWER_API nvmlGpmMetricsGet(struct GpmMetricsGet *request)
{
    ENTER(nvmlGpmMetricsGet);
    if (request->version != GPM_VERSION)
        return ARGUMENT_VERSION_MISMATCH;
    const struct GpmSample *first = request->first, *second = request->second;
    if (request->count > GPM_MOST_METRICS || first == NULL || second == NULL || first->device == NULL ||
        first->device != second->device || first->mig != second->mig || first->at_ns >= second->at_ns)
        return INVALID_ARGUMENT;
    for (unsigned i = 0; i < request->count; i++) {
        struct GpmMetric *metric = &request->metrics[i];
        struct Answer answer = activity(&weather()->gpus[first->device->gpu], first->mig, metric->id);
        metric->status = answer.status;
        metric->value = (double)answer.value / 10;
    }
    return SUCCESS;
}
