/* The list of GPUs and the identity of each. */
#include <stdio.h>
#include <string.h>

#include "calls.h"

static int count_gpus(const struct Weather *now)
{
    return now->order_length > 0 ? now->order_length : now->gpu_count;
}

/* The scenario's GPU at `index` in the driver's order. */
static int gpu_at(const struct Weather *now, int index)
{
    return now->order_length > 0 ? now->order[index] : index;
}

API nvmlDeviceGetCount_v2(unsigned *count)
{
    ENTER(nvmlDeviceGetCount_v2);
    *count = (unsigned)count_gpus(weather());
    return SUCCESS;
}

API nvmlDeviceGetCount(unsigned *count)
{
    ENTER(nvmlDeviceGetCount);
    *count = (unsigned)count_gpus(weather());
    return SUCCESS;
}

/* Opening attaches the GPU: it fails like the GPU's other calls. */
static nvmlReturn_t open_gpu(enum Function function, int number, int mig, nvmlDevice_t *out)
{
    nvmlReturn_t trouble = suffer(function, number);
    if (trouble != SUCCESS)
        return trouble;
    if (weather()->gpus[number].lost)
        return GPU_IS_LOST;
    *out = handle_of(number, mig);
    return SUCCESS;
}

static nvmlReturn_t open_by_index(enum Function function, unsigned index, nvmlDevice_t *out)
{
    nvmlReturn_t trouble = enter(function);
    if (trouble != SUCCESS)
        return trouble;
    const struct Weather *now = weather();
    if (index >= (unsigned)count_gpus(now))
        return INVALID_ARGUMENT;
    return open_gpu(function, gpu_at(now, (int)index), -1, out);
}

API nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *out)
{
    return open_by_index(FN_nvmlDeviceGetHandleByIndex_v2, index, out);
}

API nvmlDeviceGetHandleByIndex(unsigned index, nvmlDevice_t *out)
{
    return open_by_index(FN_nvmlDeviceGetHandleByIndex, index, out);
}

API nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *out)
{
    ENTER(nvmlDeviceGetHandleByUUID);
    const struct Weather *now = weather();
    for (int i = 0; i < count_gpus(now); i++) {
        int number = gpu_at(now, i);
        const struct Gpu *gpu = &now->gpus[number];
        if (strcmp(gpu->uuid, uuid) == 0)
            return open_gpu(FN_nvmlDeviceGetHandleByUUID, number, -1, out);
        for (int place = 0; place < MAX_MIG; place++)
            if (gpu->instances[place].present && strcmp(gpu->instances[place].uuid, uuid) == 0)
                return open_gpu(FN_nvmlDeviceGetHandleByUUID, number, place, out);
    }
    return NOT_FOUND;
}

struct Address { unsigned domain, bus, device, function; };

static bool parse_address(const char *text, struct Address *out)
{
    return sscanf(text, "%x:%x:%x.%x", &out->domain, &out->bus, &out->device, &out->function) == 4;
}

static nvmlReturn_t open_by_address(enum Function function, const char *text, nvmlDevice_t *out)
{
    nvmlReturn_t trouble = enter(function);
    if (trouble != SUCCESS)
        return trouble;
    struct Address wanted, found;
    if (!parse_address(text, &wanted))
        return INVALID_ARGUMENT;
    const struct Weather *now = weather();
    for (int i = 0; i < count_gpus(now); i++) {
        int number = gpu_at(now, i);
        if (parse_address(now->gpus[number].pci, &found) && memcmp(&wanted, &found, sizeof found) == 0)
            return open_gpu(function, number, -1, out);
    }
    return NOT_FOUND;
}

API nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvmlDevice_t *out)
{
    return open_by_address(FN_nvmlDeviceGetHandleByPciBusId_v2, bus_id, out);
}

API nvmlDeviceGetHandleByPciBusId(const char *bus_id, nvmlDevice_t *out)
{
    return open_by_address(FN_nvmlDeviceGetHandleByPciBusId, bus_id, out);
}

API nvmlDeviceGetName(nvmlDevice_t handle, char *out, unsigned size)
{
    ENTER_DEVICE(nvmlDeviceGetName, handle);
    if (instance == NULL)
        return give_text(gpu->name, out, size);
    char name[160];
    snprintf(name, sizeof name, "%s MIG %s", gpu->name, instance->profile);
    return give_text(name, out, size);
}

API nvmlDeviceGetUUID(nvmlDevice_t handle, char *out, unsigned size)
{
    ENTER_DEVICE(nvmlDeviceGetUUID, handle);
    return give_text(instance == NULL ? gpu->uuid : instance->uuid, out, size);
}

API nvmlDeviceGetVbiosVersion(nvmlDevice_t handle, char *out, unsigned size)
{
    ENTER_GPU(nvmlDeviceGetVbiosVersion, handle);
    return give_text(gpu->vbios, out, size);
}

API nvmlDeviceGetSerial(nvmlDevice_t handle, char *out, unsigned size)
{
    ENTER_GPU(nvmlDeviceGetSerial, handle);
    return give_text(gpu->serial, out, size);
}

API nvmlDeviceGetCudaComputeCapability(nvmlDevice_t handle, int *major, int *minor)
{
    ENTER_GPU(nvmlDeviceGetCudaComputeCapability, handle);
    *major = (int)(gpu->compute_capability.value / 10);
    *minor = (int)(gpu->compute_capability.value % 10);
    return gpu->compute_capability.status;
}

nvmlReturn_t give_pci(const struct Gpu *gpu, struct PciInfo *out)
{
    struct Address address;
    if (!parse_address(gpu->pci, &address))
        return UNKNOWN;
    *out = (struct PciInfo){.domain = address.domain, .bus = address.bus, .device = address.device};
    out->pci_device_id = 0x233010DE;
    out->pci_subsystem_id = 0x16C110DE;
    snprintf(out->bus_id_legacy, sizeof out->bus_id_legacy, "%04X:%02X:%02X.%X", address.domain & 0xFFFF,
             address.bus & 0xFF, address.device & 0xFF, address.function & 0xF);
    strcpy(out->bus_id, gpu->pci);
    return SUCCESS;
}

API nvmlDeviceGetPciInfo_v3(nvmlDevice_t handle, struct PciInfo *out)
{
    ENTER_GPU(nvmlDeviceGetPciInfo_v3, handle);
    return give_pci(gpu, out);
}

API nvmlDeviceGetIndex(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetIndex, handle);
    const struct Weather *now = weather();
    for (int i = 0; i < count_gpus(now); i++)
        if (gpu_at(now, i) == handle->gpu) {
            *out = (unsigned)i;
            return SUCCESS;
        }
    return GPU_IS_LOST;
}

API nvmlDeviceGetMinorNumber(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetMinorNumber, handle);
    return give(gpu->minor, out);
}

API nvmlDeviceGetBrand(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetBrand, handle);
    return give(gpu->brand, out);
}

API nvmlDeviceGetArchitecture(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetArchitecture, handle);
    return give(gpu->arch, out);
}
