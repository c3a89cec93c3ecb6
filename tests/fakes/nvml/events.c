/* Xid errors as events: each is delivered once to every earlier event set. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

enum { MAX_SETS = 16 };

/* The events that a set waits for, and the last one it has received from each GPU. */
struct EventSet { bool in_use; bool registered[MAX_GPUS]; unsigned long long seen[MAX_GPUS]; };

static struct EventSet sets[MAX_SETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_set(const struct EventSet *set)
{
    return set >= sets && set < sets + MAX_SETS && set->in_use;
}

API nvmlEventSetCreate(nvmlEventSet_t *out)
{
    ENTER(nvmlEventSetCreate);
    nvmlReturn_t result = OUT_OF_MEMORY;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_SETS && result != SUCCESS; i++)
        if (!sets[i].in_use) {
            sets[i] = (struct EventSet){.in_use = true};
            *out = &sets[i];
            result = SUCCESS;
        }
    pthread_mutex_unlock(&lock);
    return result;
}

API nvmlEventSetFree(nvmlEventSet_t set)
{
    ENTER(nvmlEventSetFree);
    if (!is_set(set))
        return INVALID_ARGUMENT;
    pthread_mutex_lock(&lock);
    set->in_use = false;
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

API nvmlDeviceGetSupportedEventTypes(nvmlDevice_t handle, unsigned long long *out)
{
    ENTER_GPU(nvmlDeviceGetSupportedEventTypes, handle);
    *out = EVENT_XID;
    return SUCCESS;
}

API nvmlDeviceRegisterEvents(nvmlDevice_t handle, unsigned long long types, nvmlEventSet_t set)
{
    ENTER_GPU(nvmlDeviceRegisterEvents, handle);
    if (!is_set(set))
        return INVALID_ARGUMENT;
    if ((types & ~EVENT_XID) != 0)
        return NOT_SUPPORTED;
    pthread_mutex_lock(&lock);
    set->registered[handle->gpu] = (types & EVENT_XID) != 0;
    for (int i = 0; i < gpu->xid_count; i++) /* earlier events are not delivered */
        if (gpu->xids[i].sequence > set->seen[handle->gpu])
            set->seen[handle->gpu] = gpu->xids[i].sequence;
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

/* The undelivered event of this GPU with the lowest sequence number. */
static const struct XidEvent *next_event(const struct Gpu *gpu, unsigned long long seen)
{
    const struct XidEvent *next = NULL;
    for (int i = 0; i < gpu->xid_count; i++)
        if (gpu->xids[i].sequence > seen && (next == NULL || gpu->xids[i].sequence < next->sequence))
            next = &gpu->xids[i];
    return next;
}

static bool deliver(struct EventSet *set, struct EventData *out)
{
    const struct Weather *now = weather();
    bool delivered = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < now->gpu_count && !delivered; i++) {
        const struct XidEvent *event = set->registered[i] ? next_event(&now->gpus[i], set->seen[i]) : NULL;
        if (event == NULL)
            continue;
        set->seen[i] = event->sequence;
        *out = (struct EventData){handle_of(i, -1), EVENT_XID, event->code, NO_INSTANCE, NO_INSTANCE};
        delivered = true;
    }
    pthread_mutex_unlock(&lock);
    return delivered;
}

/* Sleeps between checks of the scenario; new faults end the wait. */
static nvmlReturn_t wait_for_event(
    enum Function function, struct EventSet *set, struct EventData *out, unsigned timeout_ms)
{
    nvmlReturn_t trouble = enter(function);
    if (trouble != SUCCESS)
        return trouble;
    uint64_t end = monotonic_ns() + timeout_ms * 1000000ull;
    for (;;) {
        if (!is_set(set))
            return INVALID_ARGUMENT;
        if (deliver(set, out))
            return SUCCESS;
        uint64_t now = monotonic_ns();
        if (now >= end)
            return TIMEOUT;
        uint64_t left_ms = (end - now) / 1000000 + 1;
        unsigned look_ms = weather()->event_look_ms;
        sleep_ms(left_ms < look_ms ? (unsigned)left_ms : look_ms);
        weather_refresh();
        trouble = weather()->all_code != SUCCESS ? weather()->all_code : suffer(function, -1);
        if (trouble != SUCCESS)
            return trouble;
    }
}

API nvmlEventSetWait_v2(nvmlEventSet_t set, struct EventData *out, unsigned timeout_ms)
{
    return wait_for_event(FN_nvmlEventSetWait_v2, set, out, timeout_ms);
}

API nvmlEventSetWait(nvmlEventSet_t set, struct EventData *out, unsigned timeout_ms)
{
    return wait_for_event(FN_nvmlEventSetWait, set, out, timeout_ms);
}
