/* Memory errors and the modes of a GPU. */
#include "calls.h"

API nvmlDeviceGetEccMode(nvmlDevice_t handle, unsigned *current, unsigned *pending)
{
    ENTER_GPU(nvmlDeviceGetEccMode, handle);
    nvmlReturn_t trouble = give(gpu->ecc, current);
    return trouble != SUCCESS ? trouble : give(gpu->ecc, pending);
}

API nvmlDeviceGetTotalEccErrors(nvmlDevice_t handle, unsigned error, unsigned counter, unsigned long long *out)
{
    ENTER_GPU(nvmlDeviceGetTotalEccErrors, handle);
    if (error > 1 || counter > 1)
        return INVALID_ARGUMENT;
    if (gpu->ecc.status != SUCCESS || gpu->ecc.value == 0)
        return NOT_SUPPORTED; /* there are no counts without ECC */
    struct Answer answer = gpu->ecc_errors[counter * 2 + error];
    *out = (unsigned long long)answer.value;
    return answer.status;
}

API nvmlDeviceGetRetiredPages(nvmlDevice_t handle, unsigned cause, unsigned *count, unsigned long long *addresses)
{
    ENTER_GPU(nvmlDeviceGetRetiredPages, handle);
    if (cause > 1)
        return INVALID_ARGUMENT;
    struct Answer answer = cause == 0 ? gpu->retired_single_bit : gpu->retired_double_bit;
    if (answer.status != SUCCESS)
        return answer.status;
    unsigned room = addresses == NULL ? 0 : *count, pages = (unsigned)answer.value;
    for (unsigned i = 0; i < pages && i < room; i++)
        addresses[i] = 0x10000ull * (i + 1);
    *count = pages;
    return pages > room ? INSUFFICIENT_SIZE : SUCCESS;
}

API nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetRetiredPagesPendingStatus, handle);
    return give(gpu->retired_pending, out);
}

API nvmlDeviceGetRemappedRows(
    nvmlDevice_t handle, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed)
{
    ENTER_GPU(nvmlDeviceGetRemappedRows, handle);
    unsigned *const places[4] = {corrected, uncorrected, pending, failed};
    for (int i = 0; i < 4; i++) {
        nvmlReturn_t trouble = give(gpu->remapped[i], places[i]);
        if (trouble != SUCCESS)
            return trouble;
    }
    return SUCCESS;
}

API nvmlDeviceGetComputeMode(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetComputeMode, handle);
    return give(gpu->compute_mode, out);
}

API nvmlDeviceGetPersistenceMode(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetPersistenceMode, handle);
    return give(gpu->persistence, out);
}

/* No screen is connected. gpumon does not ask; the programs that it is compared with do. */
API nvmlDeviceGetDisplayActive(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetDisplayActive, handle);
    *out = 0;
    return SUCCESS;
}

API nvmlDeviceGetDisplayMode(nvmlDevice_t handle, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetDisplayMode, handle);
    *out = 0;
    return SUCCESS;
}

/* Windows alone has driver models. */
API nvmlDeviceGetDriverModel_v2(nvmlDevice_t handle, unsigned *current, unsigned *pending)
{
    ENTER_GPU(nvmlDeviceGetDriverModel_v2, handle);
    (void)current, (void)pending;
    return NOT_SUPPORTED;
}
