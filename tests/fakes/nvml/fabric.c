/* The fabric that NVSwitches make of NVLinks. */
#include "calls.h"

API nvmlDeviceGetGpuFabricInfo(nvmlDevice_t handle, struct FabricInfo *out)
{
    ENTER_GPU(nvmlDeviceGetGpuFabricInfo, handle);
    nvmlReturn_t trouble = give(gpu->fabric_state, &out->state);
    out->status = (int)gpu->fabric_status.value;
    return trouble;
}

NEWER_API nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t handle, struct FabricInfoV2 *out)
{
    ENTER_GPU(nvmlDeviceGetGpuFabricInfoV, handle);
    if (out->version != FABRIC_INFO_V2)
        return ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t trouble = give(gpu->fabric_state, &out->state);
    out->status = (int)gpu->fabric_status.value;
    return trouble;
}
