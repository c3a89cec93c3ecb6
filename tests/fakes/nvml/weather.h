/* The fake driver's current answers: the parsed scenario file. */
#ifndef WEATHER_H
#define WEATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "functions.h"

enum {
    MAX_GPUS = 128,
    MAX_PROCESSES = 128,
    MAX_SAMPLES = 16,
    MAX_ACCOUNTED = 64,
    MAX_MIG = 8,
    MAX_FANS = 8,
    MAX_LINKS = 18,
    MAX_XIDS = 32,
    MAX_FIELD_ID = 512,
    MAX_FIELD_VALUES = 16,
};

/* One value and the return code of its call; UNSET marks a value that follows another one. */
struct Answer { long long value; int status; };
enum { UNSET = -1 };

/* The other end of an NVLink is a switch, not a GPU. */
enum { ON_SWITCH = -1 };

struct Fault { unsigned delay_ms; short code; unsigned char hangs, crashes; };

/* A value that grows with real time. */
struct Counter { unsigned long long start, base, rate; uint64_t since_ns; };

enum { COMPUTE = 1, GRAPHICS = 2, MPS = 4 };

struct Process {
    unsigned pid, types;
    unsigned long long memory;
    unsigned sm, memory_percent, encoder, decoder, jpeg, ofa;
    unsigned gpu_instance, compute_instance;
};

/* A utilization sample of any PID, listed or not, stamped `age_ms` ago and returned by every call. */
struct StraySample { unsigned pid, sm, memory_percent, encoder, decoder; unsigned long long age_ms; };

/* A process in accounting mode; start in Unix time. */
struct Accounted { unsigned pid, utilization, is_running; unsigned long long memory, time_ms, start_ms; };

struct MigInstance {
    bool present;
    char profile[32], uuid[96];
    unsigned gpu_instance, compute_instance, slices, compute_slices;
    unsigned long long total, used;
};

struct XidEvent { unsigned long long code, sequence; };

struct FieldOverride { unsigned id; unsigned long long value; };

struct Gpu {
    char name[96], uuid[96], pci[32], vbios[32], serial[32];
    bool lost, unified_zero, mig_unprivileged;
    struct Answer brand, arch, minor, compute_capability;
    struct Answer utilization, memory_utilization, encoder, decoder, jpeg, ofa;
    struct Answer memory_total, memory_used, memory_reserved, bar1_total, bar1_used;
    struct Answer temperature, memory_temperature;
    struct Answer shutdown_temperature, slowdown_temperature, max_memory_temperature, max_temperature;
    struct Answer power, power_instant, power_average;
    struct Answer power_limit, power_default_limit, power_min_limit, power_max_limit, power_enforced_limit;
    struct Answer energy, energy_advances;
    struct Answer clocks[4], max_clocks[4];
    struct Answer fans, fan_speeds[MAX_FANS], fan_rpm[MAX_FANS];
    struct Answer pstate, clock_reasons;
    struct Answer pcie_gen, pcie_gen_max, pcie_width, pcie_width_max, pcie_replays;
    struct Answer pcie_rx, pcie_rx_rate, pcie_tx, pcie_tx_rate;
    struct Answer nvlinks, nvlink_version, nvlink_rx, nvlink_rx_rate, nvlink_tx, nvlink_tx_rate;
    struct Answer nvlinks_down, nvlinks_unused; /* one bit per link */
    int nvlink_peers[MAX_LINKS]; /* GPU numbers, or ON_SWITCH */
    struct Answer fabric_state, fabric_status;
    struct Answer ecc, ecc_errors[4]; /* corrected and uncorrected: volatile, then aggregate */
    struct Answer retired_single_bit, retired_double_bit, retired_pending;
    struct Answer remapped[4]; /* corrected, uncorrected, pending, failed */
    struct Answer recovery_action;
    struct Answer compute_mode, persistence, mig, mig_max;
    struct Answer accounting;
    struct Answer gpm, gpm_sm, gpm_tensor, gpm_dram; /* tenths of a percent */
    struct Answer mig_gpm_sm[MAX_MIG]; /* of the GPU instance, by the place of its first compute instance; each follows gpm_sm */
    struct Counter energy_counter, pcie_rx_counter, pcie_tx_counter, nvlink_rx_counter, nvlink_tx_counter;
    int process_count, stray_count, accounted_count, xid_count, field_count;
    struct Process processes[MAX_PROCESSES];
    struct StraySample strays[MAX_SAMPLES];
    struct Accounted accounted[MAX_ACCOUNTED];
    struct MigInstance instances[MAX_MIG];
    struct XidEvent xids[MAX_XIDS];
    struct FieldOverride fields[MAX_FIELD_VALUES];
    short field_status[MAX_FIELD_ID];
    struct Fault faults[FUNCTION_COUNT];
};

enum SampleQuirk { SAMPLES_NORMAL, SAMPLES_SUCCESS_ZERO, SAMPLES_NEVER };

struct Weather {
    int gpu_count, order_length, order[MAX_GPUS];
    char driver_version[80], nvml_version[80];
    int cuda_version, init_code, all_code;
    enum SampleQuirk sample_quirk;
    unsigned sample_period_ms, event_look_ms, pcie_throughput_ms, pcie_counter_bits;
    bool used_includes_reserved;
    struct Fault faults[FUNCTION_COUNT];
    struct Gpu gpus[MAX_GPUS];
};

/* The current scenario; NULL before the first nvmlInit. Its target stays unchanged for a third of a second. */
const struct Weather *weather(void);
/* Read the scenario, changed or not; at nvmlInit. */
void weather_read(void);
/* Check whether the scenario file has changed, at most every 20 ms. */
void weather_refresh(void);

unsigned long long counter_now(const struct Counter *counter, uint64_t now_ns);
uint64_t monotonic_ns(void);
/* Time since 1970; the clock of NVML's time stamps. */
uint64_t unix_us(void);
void sleep_ms(unsigned milliseconds);

#endif
