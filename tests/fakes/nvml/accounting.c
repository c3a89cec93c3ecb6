/* Accounting mode: what the driver remembers of processes, also of those that have ended. */
#include "calls.h"

struct AccountingStats {
    unsigned gpu_utilization, memory_utilization;
    unsigned long long most_memory, time_ms, start_us;
    unsigned is_running, reserved[5];
};

API nvmlDeviceGetAccountingMode(nvmlDevice_t handle, unsigned *mode)
{
    ENTER_GPU(nvmlDeviceGetAccountingMode, handle);
    return give(gpu->accounting, mode);
}

API nvmlDeviceGetAccountingPids(nvmlDevice_t handle, unsigned *count, unsigned *pids)
{
    ENTER_GPU(nvmlDeviceGetAccountingPids, handle);
    if (gpu->accounting.status != SUCCESS || gpu->accounting.value == 0)
        return NOT_SUPPORTED;
    unsigned room = pids == NULL ? 0 : *count, found = (unsigned)gpu->accounted_count;
    for (unsigned i = 0; i < found && i < room; i++)
        pids[i] = gpu->accounted[i].pid;
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

API nvmlDeviceGetAccountingStats(nvmlDevice_t handle, unsigned pid, struct AccountingStats *out)
{
    ENTER_GPU(nvmlDeviceGetAccountingStats, handle);
    for (int i = 0; i < gpu->accounted_count; i++) {
        const struct Accounted *it = &gpu->accounted[i];
        if (it->pid != pid)
            continue;
        *out = (struct AccountingStats){
            .gpu_utilization = it->utilization,
            .most_memory = it->memory,
            .time_ms = it->is_running ? 0 : it->time_ms,
            .start_us = it->start_ms * 1000,
            .is_running = it->is_running,
        };
        return SUCCESS;
    }
    return NOT_FOUND;
}
