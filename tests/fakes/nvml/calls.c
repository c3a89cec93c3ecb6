/* Counts calls in a shared file and triggers the faults of the scenario. */
#include "calls.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define AS_NAME(name) #name,
const char *const FUNCTION_NAMES[FUNCTION_COUNT] = {EACH_FUNCTION(AS_NAME)};
#undef AS_NAME

/* The file of counts: a record for the total, then one per function; fake_driver.py reads it. */
struct Record { char name[56]; _Atomic uint64_t count; };
_Static_assert(sizeof(struct Record) == 64, "fake_driver.py expects 64 bytes a record");

static struct Record unshared[FUNCTION_COUNT + 1];
static struct Record *records = unshared;
static _Atomic bool is_initialized;
static struct Handle handles[MAX_GPUS][MAX_MIG + 1];

static void share_records(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof unshared) != 0) {
        perror("fake NVIDIA driver: FAKE_NVML_COUNTS");
        abort();
    }
    void *shared = mmap(NULL, sizeof unshared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) {
        perror("fake NVIDIA driver: FAKE_NVML_COUNTS");
        abort();
    }
    close(file);
    records = shared;
}

__attribute__((constructor)) static void load(void)
{
    const char *path = getenv("FAKE_NVML_COUNTS");
    if (path != NULL)
        share_records(path);
    strcpy(records[0].name, "total");
    for (int i = 0; i < FUNCTION_COUNT; i++)
        strncpy(records[i + 1].name, FUNCTION_NAMES[i], sizeof records->name - 1);
    for (int gpu = 0; gpu < MAX_GPUS; gpu++)
        for (int place = 0; place <= MAX_MIG; place++)
            handles[gpu][place] = (struct Handle){gpu, place - 1};
}

void count_call(enum Function function)
{
    atomic_fetch_add_explicit(&records[0].count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&records[function + 1].count, 1, memory_order_relaxed);
}

void set_initialized(bool value)
{
    is_initialized = value;
}

nvmlDevice_t handle_of(int gpu, int mig)
{
    return &handles[gpu][mig + 1];
}

bool handle_is_valid(nvmlDevice_t handle)
{
    const char *first = (const char *)handles, *it = (const char *)handle;
    return it >= first && it < first + sizeof handles && (size_t)(it - first) % sizeof(struct Handle) == 0;
}

static const struct Fault *fault_of(enum Function function, int gpu)
{
    const struct Weather *now = weather();
    return gpu < 0 ? &now->faults[function] : &now->gpus[gpu].faults[function];
}

nvmlReturn_t suffer(enum Function function, int gpu)
{
    const struct Fault *fault = fault_of(function, gpu);
    if (fault->crashes) {
        int *volatile nowhere = NULL;
        *nowhere = 1;
    }
    if (fault->delay_ms != 0)
        sleep_ms(fault->delay_ms);
    while (fault_of(function, gpu)->hangs) {
        sleep_ms(20);
        weather_refresh();
    }
    return fault_of(function, gpu)->code;
}

/* Count the call and check the scenario; return the code that every call returns now, if any. */
static nvmlReturn_t begin(enum Function function)
{
    count_call(function);
    if (!atomic_load_explicit(&is_initialized, memory_order_acquire))
        return UNINITIALIZED;
    weather_refresh();
    return weather()->all_code;
}

nvmlReturn_t enter(enum Function function)
{
    nvmlReturn_t trouble = begin(function);
    return trouble != SUCCESS ? trouble : suffer(function, -1);
}

nvmlReturn_t enter_device(
    enum Function function, nvmlDevice_t handle, const struct Gpu **gpu, const struct MigInstance **instance)
{
    nvmlReturn_t trouble = begin(function);
    if (trouble != SUCCESS)
        return trouble;
    if (!handle_is_valid(handle))
        return INVALID_ARGUMENT;
    trouble = suffer(function, handle->gpu);
    if (trouble != SUCCESS)
        return trouble;
    const struct Weather *now = weather();
    *gpu = &now->gpus[handle->gpu];
    if (handle->gpu >= now->gpu_count || (*gpu)->lost)
        return GPU_IS_LOST;
    *instance = handle->mig < 0 ? NULL : &(*gpu)->instances[handle->mig];
    return *instance != NULL && (!(*instance)->present || !has_mig(*gpu)) ? NOT_FOUND : SUCCESS;
}

nvmlReturn_t enter_gpu(enum Function function, nvmlDevice_t handle, const struct Gpu **gpu)
{
    const struct MigInstance *instance;
    nvmlReturn_t trouble = enter_device(function, handle, gpu, &instance);
    if (trouble != SUCCESS)
        return trouble;
    return instance != NULL ? NOT_SUPPORTED : SUCCESS;
}
