/* The part of NVML's binary interface that the fake implements: codes and structs with the layout of nvidia-ml-py. */
#ifndef NVML_TYPES_H
#define NVML_TYPES_H

#include <stdint.h>

typedef int nvmlReturn_t;
typedef const struct Handle *nvmlDevice_t;
typedef struct EventSet *nvmlEventSet_t;

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    TIMEOUT = 10,
    GPU_IS_LOST = 15,
    OUT_OF_MEMORY = 20,
    ARGUMENT_VERSION_MISMATCH = 25,
    UNKNOWN = 999,
};

/* The all-ones values that NVML uses for "not available" and "not in a MIG instance". */
#define NO_MEMORY_FIGURE UINT64_MAX
#define NO_INSTANCE UINT32_MAX

#define MEMORY_V2 0x02000028u
#define TEMPERATURE_V1 0x0100000Cu
#define FAN_SPEED_V1 0x0100000Cu
#define PROCESSES_UTILIZATION_V1 0x01000018u

#define EVENT_XID 0x8ull

struct Utilization { unsigned gpu, memory; };
struct Memory { unsigned long long total, free, used; };
struct MemoryV2 { unsigned version; unsigned long long total, reserved, free, used; };
struct Bar1Memory { unsigned long long total, free, used; };
struct TemperatureV1 { unsigned version, sensor; int temperature; };
struct FanSpeedInfo { unsigned version, fan, speed; };

struct PciInfo {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

/* nvmlProcessInfo_v2_t; version 3 has the same layout. */
struct ProcessInfo {
    unsigned pid;
    unsigned long long used_gpu_memory;
    unsigned gpu_instance_id, compute_instance_id;
};

struct ProcessUtilizationSample {
    unsigned pid;
    unsigned long long time_stamp;
    unsigned sm, memory, encoder, decoder;
};

struct ProcessUtilizationInfo {
    unsigned long long time_stamp;
    unsigned pid, sm, memory, encoder, decoder, jpeg, ofa;
};

struct ProcessesUtilizationInfo {
    unsigned version, count;
    unsigned long long last_seen;
    struct ProcessUtilizationInfo *samples;
};

#define FABRIC_INFO_V2 0x02000024u
struct FabricInfo { unsigned char cluster_uuid[16]; int status; unsigned clique, state; };
struct FabricInfoV2 { unsigned version; unsigned char cluster_uuid[16]; int status; unsigned clique, state, health_mask; };

#define GPM_VERSION 1u
enum { GPM_SM = 2, GPM_TENSOR = 5, GPM_DRAM = 10, GPM_MOST_METRICS = 333 };
struct GpmSupport { unsigned version, is_supported; };
struct GpmMetric { unsigned id; int status; double value; const char *names[3]; };
struct GpmMetricsGet {
    unsigned version, count;
    const struct GpmSample *first, *second;
    struct GpmMetric metrics[GPM_MOST_METRICS];
};

enum { VALUE_UNSIGNED_INT = 1, VALUE_UNSIGNED_LONG_LONG = 3 };

struct FieldValue {
    uint32_t field, scope;
    int64_t timestamp, latency;
    int value_type, status;
    union { unsigned small; unsigned long long large; } value;
};

struct Attributes {
    unsigned multiprocessors, copy_engines, decoders, encoders, jpegs, ofas, gpu_slices, compute_slices;
    unsigned long long memory_mib;
};

struct EventData {
    nvmlDevice_t device;
    unsigned long long type, data;
    unsigned gpu_instance_id, compute_instance_id;
};

/* Symbols of every driver, and of newer drivers only: -DOLD_DRIVER leaves out the latter. */
#define API __attribute__((visibility("default"))) nvmlReturn_t
#ifdef OLD_DRIVER
#define NEWER_API __attribute__((unused)) nvmlReturn_t
#else
#define NEWER_API API
#endif

#endif
