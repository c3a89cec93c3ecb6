/* Processes on a GPU and the driver's utilization samples of them. */
#include "calls.h"

static bool is_listed(const struct Process *process, unsigned type, const struct MigInstance *instance)
{
    return (process->types & type) != 0 &&
           (instance == NULL || (process->gpu_instance == instance->gpu_instance &&
                                 process->compute_instance == instance->compute_instance));
}

static nvmlReturn_t list(
    enum Function function, unsigned type, nvmlDevice_t handle, unsigned *count, struct ProcessInfo *out)
{
    const struct Gpu *gpu;
    const struct MigInstance *instance;
    nvmlReturn_t trouble = enter_device(function, handle, &gpu, &instance);
    if (trouble != SUCCESS)
        return trouble;
    if (count == NULL)
        return INVALID_ARGUMENT;
    if (instance == NULL && has_mig(gpu) && gpu->mig_unprivileged)
        return NO_PERMISSION;
    unsigned room = out == NULL ? 0 : *count, found = 0;
    for (int i = 0; i < gpu->process_count; i++) {
        const struct Process *process = &gpu->processes[i];
        if (!is_listed(process, type, instance))
            continue;
        if (found < room)
            out[found] = (struct ProcessInfo){
                process->pid, process->memory, process->gpu_instance, process->compute_instance};
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

#define PROCESS_LIST(linkage, name, type) \
    linkage name(nvmlDevice_t handle, unsigned *count, struct ProcessInfo *out) \
    { \
        return list(FN_##name, type, handle, count, out); \
    }

PROCESS_LIST(API, nvmlDeviceGetComputeRunningProcesses_v2, COMPUTE)
PROCESS_LIST(API, nvmlDeviceGetGraphicsRunningProcesses_v2, GRAPHICS)
PROCESS_LIST(API, nvmlDeviceGetMPSComputeRunningProcesses_v2, MPS)
PROCESS_LIST(NEWER_API, nvmlDeviceGetComputeRunningProcesses_v3, COMPUTE)
PROCESS_LIST(NEWER_API, nvmlDeviceGetGraphicsRunningProcesses_v3, GRAPHICS)
PROCESS_LIST(NEWER_API, nvmlDeviceGetMPSComputeRunningProcesses_v3, MPS)

/* The samples after `last_seen`, at most one per process and none of idle ones: the driver samples on a grid. */
static unsigned collect(
    const struct Gpu *gpu, unsigned long long last_seen, struct ProcessUtilizationInfo *out, unsigned room)
{
    uint64_t now = unix_us(), period = weather()->sample_period_ms * 1000ull, stamp = now / period * period;
    unsigned found = 0;
    for (int i = 0; stamp > last_seen && i < gpu->process_count; i++) {
        const struct Process *it = &gpu->processes[i];
        if ((it->sm | it->memory_percent | it->encoder | it->decoder | it->jpeg | it->ofa) == 0)
            continue;
        if (found < room)
            out[found] = (struct ProcessUtilizationInfo){
                stamp, it->pid, it->sm, it->memory_percent, it->encoder, it->decoder, it->jpeg, it->ofa};
        found++;
    }
    for (int i = 0; i < gpu->stray_count; i++, found++) {
        const struct StraySample *it = &gpu->strays[i];
        if (found < room)
            out[found] = (struct ProcessUtilizationInfo){
                now - it->age_ms * 1000, it->pid, it->sm, it->memory_percent, it->encoder, it->decoder, 0, 0};
    }
    return found;
}

static nvmlReturn_t sample(
    const struct Gpu *gpu, unsigned long long last_seen, unsigned *count, struct ProcessUtilizationInfo *out,
    unsigned room)
{
    if (has_mig(gpu))
        return NOT_SUPPORTED;
    if (weather()->sample_quirk == SAMPLES_SUCCESS_ZERO) {
        *count = 0;
        return SUCCESS;
    }
    unsigned found = weather()->sample_quirk == SAMPLES_NEVER ? 0 : collect(gpu, last_seen, out, room);
    *count = found;
    if (found == 0)
        return NOT_FOUND;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

API nvmlDeviceGetProcessUtilization(
    nvmlDevice_t handle, struct ProcessUtilizationSample *out, unsigned *count, unsigned long long last_seen)
{
    ENTER_GPU(nvmlDeviceGetProcessUtilization, handle);
    struct ProcessUtilizationInfo samples[MAX_PROCESSES + MAX_SAMPLES];
    const unsigned enough = sizeof samples / sizeof *samples;
    unsigned room = out == NULL ? 0 : *count;
    nvmlReturn_t trouble = sample(gpu, last_seen, count, samples, room < enough ? room : enough);
    if (trouble != SUCCESS)
        return trouble;
    for (unsigned i = 0; i < *count; i++) {
        const struct ProcessUtilizationInfo *it = &samples[i];
        out[i] = (struct ProcessUtilizationSample){
            it->pid, it->time_stamp, it->sm, it->memory, it->encoder, it->decoder};
    }
    return SUCCESS;
}

NEWER_API nvmlDeviceGetProcessesUtilizationInfo(nvmlDevice_t handle, struct ProcessesUtilizationInfo *info)
{
    ENTER_GPU(nvmlDeviceGetProcessesUtilizationInfo, handle);
    if (info->version != PROCESSES_UTILIZATION_V1)
        return ARGUMENT_VERSION_MISMATCH;
    return sample(gpu, info->last_seen, &info->count, info->samples, info->samples == NULL ? 0 : info->count);
}
