/* GPUs with MIG instances. */
#include "calls.h"

NEWER_API nvmlDeviceGetMigMode(nvmlDevice_t handle, unsigned *current, unsigned *pending)
{
    ENTER_GPU(nvmlDeviceGetMigMode, handle);
    nvmlReturn_t trouble = give(gpu->mig, current);
    return trouble != SUCCESS ? trouble : give(gpu->mig, pending);
}

NEWER_API nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetMaxMigDeviceCount, handle);
    *out = 0; /* the call succeeds with 0 on a GPU without MIG */
    return gpu->mig.status != SUCCESS ? SUCCESS : give(gpu->mig_max, out);
}

NEWER_API nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t handle, unsigned index, nvmlDevice_t *out)
{
    ENTER_GPU(nvmlDeviceGetMigDeviceHandleByIndex, handle);
    if (gpu->mig.status != SUCCESS)
        return gpu->mig.status;
    if (index >= MAX_MIG || index >= (unsigned)gpu->mig_max.value)
        return INVALID_ARGUMENT;
    if (!has_mig(gpu) || !gpu->instances[index].present)
        return NOT_FOUND;
    *out = handle_of(handle->gpu, (int)index);
    return SUCCESS;
}

NEWER_API nvmlDeviceIsMigDeviceHandle(nvmlDevice_t handle, unsigned *out)
{
    ENTER_DEVICE(nvmlDeviceIsMigDeviceHandle, handle);
    *out = instance != NULL;
    return SUCCESS;
}

NEWER_API nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t handle, nvmlDevice_t *out)
{
    ENTER_DEVICE(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, handle);
    *out = handle_of(handle->gpu, -1);
    return instance == NULL ? INVALID_ARGUMENT : SUCCESS;
}

NEWER_API nvmlDeviceGetGpuInstanceId(nvmlDevice_t handle, unsigned *out)
{
    ENTER_DEVICE(nvmlDeviceGetGpuInstanceId, handle);
    if (instance == NULL)
        return INVALID_ARGUMENT;
    *out = instance->gpu_instance;
    return SUCCESS;
}

NEWER_API nvmlDeviceGetComputeInstanceId(nvmlDevice_t handle, unsigned *out)
{
    ENTER_DEVICE(nvmlDeviceGetComputeInstanceId, handle);
    if (instance == NULL)
        return INVALID_ARGUMENT;
    *out = instance->compute_instance;
    return SUCCESS;
}

static nvmlReturn_t describe(const struct MigInstance *instance, struct Attributes *out)
{
    if (instance == NULL)
        return INVALID_ARGUMENT;
    *out = (struct Attributes){
        .multiprocessors = 14 * instance->compute_slices, /* as on an A100 */
        .copy_engines = instance->slices,
        .gpu_slices = instance->slices,
        .compute_slices = instance->compute_slices,
        .memory_mib = instance->total >> 20,
    };
    return SUCCESS;
}

NEWER_API nvmlDeviceGetAttributes_v2(nvmlDevice_t handle, struct Attributes *out)
{
    ENTER_DEVICE(nvmlDeviceGetAttributes_v2, handle);
    return describe(instance, out);
}

NEWER_API nvmlDeviceGetAttributes(nvmlDevice_t handle, struct Attributes *out)
{
    ENTER_DEVICE(nvmlDeviceGetAttributes, handle);
    return describe(instance, out);
}
