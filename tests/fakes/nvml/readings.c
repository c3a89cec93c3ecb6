/* The readings of a GPU: load, memory, temperature, power, clocks, fans. */
#include "calls.h"

/* The whole GPU reports no utilization with MIG on. */
static nvmlReturn_t give_load(const struct Gpu *gpu, struct Answer answer, unsigned *out)
{
    return has_mig(gpu) ? NOT_SUPPORTED : give(answer, out);
}

API nvmlDeviceGetUtilizationRates(nvmlDevice_t handle, struct Utilization *out)
{
    ENTER_GPU(nvmlDeviceGetUtilizationRates, handle);
    nvmlReturn_t trouble = give_load(gpu, gpu->utilization, &out->gpu);
    return trouble != SUCCESS ? trouble : give(gpu->memory_utilization, &out->memory);
}

#define ENGINE_UTILIZATION(linkage, name, member) \
    linkage name(nvmlDevice_t handle, unsigned *out, unsigned *period_us) \
    { \
        ENTER_GPU(name, handle); \
        *period_us = 167000; \
        return give_load(gpu, gpu->member, out); \
    }

ENGINE_UTILIZATION(API, nvmlDeviceGetEncoderUtilization, encoder)
ENGINE_UTILIZATION(API, nvmlDeviceGetDecoderUtilization, decoder)
ENGINE_UTILIZATION(NEWER_API, nvmlDeviceGetJpgUtilization, jpeg)
ENGINE_UTILIZATION(NEWER_API, nvmlDeviceGetOfaUtilization, ofa)

static unsigned long long mib(struct Answer answer)
{
    return (unsigned long long)answer.value << 20;
}

static nvmlReturn_t measure(const struct Gpu *gpu, const struct MigInstance *instance, struct MemoryV2 *out)
{
    if (instance != NULL) {
        out->total = instance->total;
        out->used = instance->used;
        out->reserved = 0;
    } else {
        if (has_mig(gpu) && gpu->mig_unprivileged)
            return NO_PERMISSION;
        const struct Answer parts[] = {gpu->memory_total, gpu->memory_used, gpu->memory_reserved};
        for (int i = 0; i < 3; i++)
            if (parts[i].status != SUCCESS)
                return parts[i].status;
        out->total = mib(gpu->memory_total);
        out->used = mib(gpu->memory_used);
        out->reserved = mib(gpu->memory_reserved);
    }
    unsigned long long taken = out->used + out->reserved;
    out->free = taken < out->total ? out->total - taken : 0;
    return SUCCESS;
}

/* Version 1 has no reserve: it counts as used, so that used and free add up to the total. */
API nvmlDeviceGetMemoryInfo(nvmlDevice_t handle, struct Memory *out)
{
    ENTER_DEVICE(nvmlDeviceGetMemoryInfo, handle);
    struct MemoryV2 memory;
    nvmlReturn_t trouble = measure(gpu, instance, &memory);
    if (trouble == SUCCESS)
        *out = (struct Memory){memory.total, memory.free, memory.used + memory.reserved};
    return trouble;
}

/* total = reserved + used + free, as nvidia-smi prints it, unless `memory_used_includes_reserved`. */
NEWER_API nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t handle, struct MemoryV2 *out)
{
    ENTER_DEVICE(nvmlDeviceGetMemoryInfo_v2, handle);
    if (out->version != MEMORY_V2)
        return ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t trouble = measure(gpu, instance, out);
    if (trouble == SUCCESS && weather()->used_includes_reserved)
        out->used += out->reserved;
    return trouble;
}

API nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t handle, struct Bar1Memory *out)
{
    ENTER_GPU(nvmlDeviceGetBAR1MemoryInfo, handle);
    if (gpu->bar1_total.status != SUCCESS)
        return gpu->bar1_total.status;
    unsigned long long total = mib(gpu->bar1_total), used = mib(gpu->bar1_used);
    *out = (struct Bar1Memory){total, total - used, used};
    return gpu->bar1_used.status;
}

API nvmlDeviceGetTemperature(nvmlDevice_t handle, unsigned sensor, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetTemperature, handle);
    return sensor != 0 ? INVALID_ARGUMENT : give(gpu->temperature, out);
}

NEWER_API nvmlDeviceGetTemperatureV(nvmlDevice_t handle, struct TemperatureV1 *out)
{
    ENTER_GPU(nvmlDeviceGetTemperatureV, handle);
    if (out->version != TEMPERATURE_V1)
        return ARGUMENT_VERSION_MISMATCH;
    if (out->sensor != 0)
        return INVALID_ARGUMENT;
    out->temperature = (int)gpu->temperature.value;
    return gpu->temperature.status;
}

API nvmlDeviceGetTemperatureThreshold(nvmlDevice_t handle, unsigned threshold, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetTemperatureThreshold, handle);
    const struct Answer answers[] = {
        gpu->shutdown_temperature, gpu->slowdown_temperature, gpu->max_memory_temperature, gpu->max_temperature};
    return threshold < 4 ? give(answers[threshold], out) : NOT_SUPPORTED;
}

#define ONE_FIGURE(linkage, name, answer) \
    linkage name(nvmlDevice_t handle, unsigned *out) \
    { \
        ENTER_GPU(name, handle); \
        return give(answer, out); \
    }

ONE_FIGURE(API, nvmlDeviceGetPowerUsage, gpu->power)
ONE_FIGURE(API, nvmlDeviceGetPowerManagementLimit, gpu->power_limit)
ONE_FIGURE(API, nvmlDeviceGetPowerManagementDefaultLimit, gpu->power_default_limit)
ONE_FIGURE(API, nvmlDeviceGetEnforcedPowerLimit, or_else(gpu->power_enforced_limit, gpu->power_limit))
ONE_FIGURE(API, nvmlDeviceGetPerformanceState, gpu->pstate)
ONE_FIGURE(NEWER_API, nvmlDeviceGetNumFans, gpu->fans)

API nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t handle, unsigned *low, unsigned *high)
{
    ENTER_GPU(nvmlDeviceGetPowerManagementLimitConstraints, handle);
    nvmlReturn_t trouble = give(gpu->power_min_limit, low);
    return trouble != SUCCESS ? trouble : give(gpu->power_max_limit, high);
}

API nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t handle, unsigned long long *out)
{
    ENTER_GPU(nvmlDeviceGetTotalEnergyConsumption, handle);
    *out = counter_now(&gpu->energy_counter, monotonic_ns());
    return gpu->energy.status;
}

API nvmlDeviceGetClockInfo(nvmlDevice_t handle, unsigned clock, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetClockInfo, handle);
    return clock < 4 ? give(gpu->clocks[clock], out) : INVALID_ARGUMENT;
}

API nvmlDeviceGetMaxClockInfo(nvmlDevice_t handle, unsigned clock, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetMaxClockInfo, handle);
    return clock < 4 ? give(gpu->max_clocks[clock], out) : INVALID_ARGUMENT;
}

static bool has_fan(const struct Gpu *gpu, unsigned fan)
{
    return gpu->fans.status == SUCCESS && fan < MAX_FANS && (long long)fan < gpu->fans.value;
}

API nvmlDeviceGetFanSpeed(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetFanSpeed, handle);
    return has_fan(gpu, 0) ? give(gpu->fan_speeds[0], out) : NOT_SUPPORTED;
}

API nvmlDeviceGetFanSpeed_v2(nvmlDevice_t handle, unsigned fan, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetFanSpeed_v2, handle);
    if (!has_fan(gpu, fan))
        return gpu->fans.value > 0 ? INVALID_ARGUMENT : NOT_SUPPORTED; /* passive boards do not support the call */
    return give(gpu->fan_speeds[fan], out);
}

NEWER_API nvmlDeviceGetFanSpeedRPM(nvmlDevice_t handle, struct FanSpeedInfo *out)
{
    ENTER_GPU(nvmlDeviceGetFanSpeedRPM, handle);
    if (out->version != FAN_SPEED_V1)
        return ARGUMENT_VERSION_MISMATCH;
    if (!has_fan(gpu, out->fan))
        return gpu->fans.value > 0 ? INVALID_ARGUMENT : NOT_SUPPORTED;
    return give(gpu->fan_rpm[out->fan], &out->speed);
}

static nvmlReturn_t give_reasons(const struct Gpu *gpu, unsigned long long *out)
{
    *out = (unsigned long long)gpu->clock_reasons.value;
    return gpu->clock_reasons.status;
}

NEWER_API nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t handle, unsigned long long *out)
{
    ENTER_GPU(nvmlDeviceGetCurrentClocksEventReasons, handle);
    return give_reasons(gpu, out);
}

API nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t handle, unsigned long long *out)
{
    ENTER_GPU(nvmlDeviceGetCurrentClocksThrottleReasons, handle);
    return give_reasons(gpu, out);
}
