/* Start, shutdown and version of the driver. */
#include <pthread.h>

#include "calls.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users;

static nvmlReturn_t initialize(enum Function function)
{
    count_call(function);
    weather_read();
    nvmlReturn_t trouble = suffer(function, -1);
    if (trouble == SUCCESS)
        trouble = weather()->init_code; /* read after a hang, which a later scenario ends */
    if (trouble != SUCCESS)
        return trouble;
    pthread_mutex_lock(&lock);
    users++;
    set_initialized(true);
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

API nvmlInit(void)
{
    return initialize(FN_nvmlInit);
}

API nvmlInit_v2(void)
{
    return initialize(FN_nvmlInit_v2);
}

API nvmlInitWithFlags(unsigned flags)
{
    (void)flags; /* 2, NO_ATTACH, changes only which GPUs wake, and these never sleep */
    return initialize(FN_nvmlInitWithFlags);
}

API nvmlShutdown(void)
{
    ENTER(nvmlShutdown);
    pthread_mutex_lock(&lock);
    users--;
    set_initialized(users > 0);
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

__attribute__((visibility("default"))) const char *nvmlErrorString(nvmlReturn_t code)
{
    count_call(FN_nvmlErrorString);
    switch (code) {
    case SUCCESS: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NO_PERMISSION: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found";
    case INSUFFICIENT_SIZE: return "Insufficient Size";
    case 9: return "Driver Not Loaded";
    case TIMEOUT: return "Timeout";
    case 12: return "NVML Shared Library Not Found";
    case 13: return "Function Not Found";
    case GPU_IS_LOST: return "GPU is lost";
    case 16: return "GPU requires restart";
    case 18: return "Driver/library version mismatch";
    case OUT_OF_MEMORY: return "Insufficient Memory";
    case ARGUMENT_VERSION_MISMATCH: return "Argument version mismatch";
    default: return "Unknown Error";
    }
}

API nvmlSystemGetDriverVersion(char *version, unsigned size)
{
    ENTER(nvmlSystemGetDriverVersion);
    return give_text(weather()->driver_version, version, size);
}

API nvmlSystemGetNVMLVersion(char *version, unsigned size)
{
    ENTER(nvmlSystemGetNVMLVersion);
    return give_text(weather()->nvml_version, version, size);
}

API nvmlSystemGetCudaDriverVersion(int *version)
{
    ENTER(nvmlSystemGetCudaDriverVersion);
    *version = weather()->cuda_version;
    return SUCCESS;
}

API nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    ENTER(nvmlSystemGetCudaDriverVersion_v2);
    *version = weather()->cuda_version;
    return SUCCESS;
}
