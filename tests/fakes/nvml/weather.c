/* Keeps the current scenario: rereads a changed file, and continues its counters across changes. */
#define _GNU_SOURCE
#include "weather.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "scenario.h"

enum { SLOTS = 16, LOOK_EVERY_MS = 20 };

/* Scenarios rotate through these: one is overwritten after 16 changes, at least 320 ms later, so that it never changes
 * during a call and reading needs no lock. */
static struct Weather slots[SLOTS];
static int next_slot;
static struct Weather *_Atomic current;
static _Atomic uint64_t next_look_ns;
static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;
static struct stat last_seen;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

uint64_t monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t unix_us(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000;
}

void sleep_ms(unsigned milliseconds)
{
    struct timespec left = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue; /* a signal does not interrupt the driver's wait */
}

const struct Weather *weather(void)
{
    return atomic_load_explicit(&current, memory_order_acquire);
}

unsigned long long counter_now(const struct Counter *counter, uint64_t now_ns)
{
    unsigned __int128 nanos = (unsigned __int128)counter->rate * (now_ns - counter->since_ns); /* 64 bits overflow */
    return counter->base + (unsigned long long)(nanos / 1000000000u);
}

static void run_on(struct Counter *counter, const struct Counter *before, const struct Answer *start, long long rate)
{
    uint64_t now = monotonic_ns();
    counter->start = (unsigned long long)start->value;
    counter->rate = (unsigned long long)rate;
    counter->since_ns = now;
    /* A changed start in the file resets the counter; no other change makes it jump. */
    bool goes_on = before != NULL && before->since_ns != 0 && before->start == counter->start;
    counter->base = goes_on ? counter_now(before, now) : counter->start;
}

static void run_counters(struct Weather *now, const struct Weather *before)
{
    for (int i = 0; i < now->gpu_count; i++) {
        struct Gpu *gpu = &now->gpus[i];
        const struct Gpu *old = before == NULL ? NULL : &before->gpus[i];
        long long milliwatts = gpu->energy_advances.value ? gpu->power.value : 0; /* 1 mW is 1 mJ per second */
        run_on(&gpu->energy_counter, old ? &old->energy_counter : NULL, &gpu->energy, milliwatts);
        run_on(&gpu->pcie_rx_counter, old ? &old->pcie_rx_counter : NULL, &gpu->pcie_rx, gpu->pcie_rx_rate.value);
        run_on(&gpu->pcie_tx_counter, old ? &old->pcie_tx_counter : NULL, &gpu->pcie_tx, gpu->pcie_tx_rate.value);
        run_on(&gpu->nvlink_rx_counter, old ? &old->nvlink_rx_counter : NULL, &gpu->nvlink_rx,
               gpu->nvlink_rx_rate.value);
        run_on(&gpu->nvlink_tx_counter, old ? &old->nvlink_tx_counter : NULL, &gpu->nvlink_tx,
               gpu->nvlink_tx_rate.value);
    }
}

static void read_locked(const char *path)
{
    char error[256];
    struct Weather *slot = &slots[next_slot];
    next_slot = (next_slot + 1) % SLOTS;
    if (!scenario_read(path, slot, error, sizeof error)) {
        fprintf(stderr, "fake NVIDIA driver: %s\n", error);
        abort(); /* a test with an invalid scenario must not pass */
    }
    run_counters(slot, weather());
    atomic_store_explicit(&current, slot, memory_order_release);
}

void weather_read(void)
{
    const char *path = getenv("FAKE_NVML_SCENARIO");
    pthread_mutex_lock(&reading);
    if (path != NULL && stat(path, &last_seen) != 0)
        last_seen = (struct stat){0};
    read_locked(path);
    pthread_mutex_unlock(&reading);
}

static bool has_changed(const char *path)
{
    struct stat seen;
    if (stat(path, &seen) != 0)
        return false; /* an ended test has removed its folder: keep the last scenario */
    bool same = seen.st_ino == last_seen.st_ino && seen.st_size == last_seen.st_size &&
                seen.st_mtim.tv_sec == last_seen.st_mtim.tv_sec && seen.st_mtim.tv_nsec == last_seen.st_mtim.tv_nsec;
    last_seen = seen;
    return !same;
}

void weather_refresh(void)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
    uint64_t due = atomic_load_explicit(&next_look_ns, memory_order_relaxed);
    if (now < due || !atomic_compare_exchange_strong(&next_look_ns, &due, now + LOOK_EVERY_MS * 1000000ull))
        return;
    const char *path = getenv("FAKE_NVML_SCENARIO");
    if (path == NULL || pthread_mutex_trylock(&reading) != 0)
        return;
    if (has_changed(path))
        read_locked(path);
    pthread_mutex_unlock(&reading);
}
