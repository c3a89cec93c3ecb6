/* The keys of one GPU, and those of faults. */
#include <string.h>

#include "nvml_types.h"
#include "scenario.h"

struct GpuKey { const char *name; enum { ANSWER, TEXT, FLAG } kind; size_t offset, size; };

#define ANSWER_OF(name, member) {name, ANSWER, offsetof(struct Gpu, member), 0}
#define TEXT_OF(name, member) {name, TEXT, offsetof(struct Gpu, member), sizeof((struct Gpu *)0)->member}
#define FLAG_OF(name, member) {name, FLAG, offsetof(struct Gpu, member), 0}

static const struct GpuKey GPU_KEYS[] = {
    TEXT_OF("name", name),
    TEXT_OF("uuid", uuid),
    TEXT_OF("pci", pci),
    TEXT_OF("vbios", vbios),
    TEXT_OF("serial", serial),
    FLAG_OF("lost", lost),
    FLAG_OF("mig_unprivileged", mig_unprivileged),
    ANSWER_OF("brand", brand),
    ANSWER_OF("arch", arch),
    ANSWER_OF("minor", minor),
    ANSWER_OF("compute_capability", compute_capability),
    ANSWER_OF("utilization", utilization),
    ANSWER_OF("memory_utilization", memory_utilization),
    ANSWER_OF("encoder", encoder),
    ANSWER_OF("decoder", decoder),
    ANSWER_OF("jpeg", jpeg),
    ANSWER_OF("ofa", ofa),
    ANSWER_OF("memory_total_mib", memory_total),
    ANSWER_OF("memory_used_mib", memory_used),
    ANSWER_OF("memory_reserved_mib", memory_reserved),
    ANSWER_OF("bar1_total_mib", bar1_total),
    ANSWER_OF("bar1_used_mib", bar1_used),
    ANSWER_OF("temperature", temperature),
    ANSWER_OF("memory_temperature", memory_temperature),
    ANSWER_OF("shutdown_temperature", shutdown_temperature),
    ANSWER_OF("slowdown_temperature", slowdown_temperature),
    ANSWER_OF("max_memory_temperature", max_memory_temperature),
    ANSWER_OF("max_temperature", max_temperature),
    ANSWER_OF("power_mw", power),
    ANSWER_OF("power_instant_mw", power_instant),
    ANSWER_OF("power_average_mw", power_average),
    ANSWER_OF("power_limit_mw", power_limit),
    ANSWER_OF("power_default_limit_mw", power_default_limit),
    ANSWER_OF("power_min_limit_mw", power_min_limit),
    ANSWER_OF("power_max_limit_mw", power_max_limit),
    ANSWER_OF("power_enforced_limit_mw", power_enforced_limit),
    ANSWER_OF("energy_mj", energy),
    ANSWER_OF("energy_advances", energy_advances),
    ANSWER_OF("graphics_clock_mhz", clocks[0]),
    ANSWER_OF("sm_clock_mhz", clocks[1]),
    ANSWER_OF("memory_clock_mhz", clocks[2]),
    ANSWER_OF("video_clock_mhz", clocks[3]),
    ANSWER_OF("graphics_clock_max_mhz", max_clocks[0]),
    ANSWER_OF("sm_clock_max_mhz", max_clocks[1]),
    ANSWER_OF("memory_clock_max_mhz", max_clocks[2]),
    ANSWER_OF("video_clock_max_mhz", max_clocks[3]),
    ANSWER_OF("fans", fans),
    ANSWER_OF("pstate", pstate),
    ANSWER_OF("clock_reasons", clock_reasons),
    ANSWER_OF("pcie_gen", pcie_gen),
    ANSWER_OF("pcie_gen_max", pcie_gen_max),
    ANSWER_OF("pcie_width", pcie_width),
    ANSWER_OF("pcie_width_max", pcie_width_max),
    ANSWER_OF("pcie_replays", pcie_replays),
    ANSWER_OF("pcie_rx_bytes", pcie_rx),
    ANSWER_OF("pcie_rx_rate", pcie_rx_rate),
    ANSWER_OF("pcie_tx_bytes", pcie_tx),
    ANSWER_OF("pcie_tx_rate", pcie_tx_rate),
    ANSWER_OF("nvlinks", nvlinks),
    ANSWER_OF("nvlinks_down", nvlinks_down),
    ANSWER_OF("nvlinks_unused", nvlinks_unused),
    ANSWER_OF("nvlink_version", nvlink_version),
    ANSWER_OF("nvlink_rx_kib", nvlink_rx),
    ANSWER_OF("nvlink_rx_kib_rate", nvlink_rx_rate),
    ANSWER_OF("nvlink_tx_kib", nvlink_tx),
    ANSWER_OF("nvlink_tx_kib_rate", nvlink_tx_rate),
    ANSWER_OF("fabric_state", fabric_state),
    ANSWER_OF("fabric_status", fabric_status),
    ANSWER_OF("ecc", ecc),
    ANSWER_OF("ecc_corrected_volatile", ecc_errors[0]),
    ANSWER_OF("ecc_uncorrected_volatile", ecc_errors[1]),
    ANSWER_OF("ecc_corrected_aggregate", ecc_errors[2]),
    ANSWER_OF("ecc_uncorrected_aggregate", ecc_errors[3]),
    ANSWER_OF("retired_single_bit", retired_single_bit),
    ANSWER_OF("retired_double_bit", retired_double_bit),
    ANSWER_OF("retired_pending", retired_pending),
    ANSWER_OF("remapped_corrected", remapped[0]),
    ANSWER_OF("remapped_uncorrected", remapped[1]),
    ANSWER_OF("remapped_pending", remapped[2]),
    ANSWER_OF("remapped_failed", remapped[3]),
    ANSWER_OF("recovery_action", recovery_action),
    ANSWER_OF("compute_mode", compute_mode),
    ANSWER_OF("persistence", persistence),
    ANSWER_OF("mig", mig),
    ANSWER_OF("mig_max", mig_max),
    ANSWER_OF("accounting", accounting),
    ANSWER_OF("gpm", gpm),
    ANSWER_OF("gpm_sm", gpm_sm),
    ANSWER_OF("gpm_tensor", gpm_tensor),
    ANSWER_OF("gpm_dram", gpm_dram),
};

/* The function * means all functions. */
bool read_fault(const char *word, const char *function, const char *value, struct Fault *faults)
{
    unsigned long long number;
    if (!read_number(value, &number))
        return false;
    bool all = strcmp(function, "*") == 0, found = false;
    for (int i = 0; i < FUNCTION_COUNT; i++) {
        if (!all && strcmp(function, FUNCTION_NAMES[i]) != 0)
            continue;
        found = true;
        if (strcmp(word, "fail") == 0)
            faults[i].code = (short)number;
        else if (strcmp(word, "hang") == 0)
            faults[i].hangs = number != 0;
        else if (strcmp(word, "crash") == 0)
            faults[i].crashes = number != 0;
        else
            faults[i].delay_ms = (unsigned)number;
    }
    return found;
}

bool is_fault(const char *word)
{
    return strcmp(word, "fail") == 0 || strcmp(word, "hang") == 0 || strcmp(word, "crash") == 0 ||
           strcmp(word, "slow_ms") == 0;
}

/* field.ID.status = CODE, field.ID.value = N */
static bool read_field(char *rest, const char *value, struct Gpu *gpu)
{
    unsigned long long id, number;
    char *id_text = next_part(&rest, ".");
    if (rest == NULL || !read_number(id_text, &id) || id >= MAX_FIELD_ID || !read_number(value, &number))
        return false;
    if (strcmp(rest, "status") == 0) {
        gpu->field_status[id] = (short)number;
        return true;
    }
    if (strcmp(rest, "value") != 0 || gpu->field_count == MAX_FIELD_VALUES)
        return false;
    gpu->fields[gpu->field_count++] = (struct FieldOverride){(unsigned)id, number};
    return true;
}

static bool read_answers(char *text, struct Answer *out, int limit)
{
    int count = 0;
    for (char *part; (part = next_part(&text, ",")) != NULL;)
        if (count == limit || !read_answer(part, &out[count++]))
            return false;
    return true;
}

/* unified = not_supported | zero_total: the two answers of GPUs without dedicated memory. */
static bool read_unified(const char *value, struct Gpu *gpu)
{
    if (strcmp(value, "zero_total") == 0)
        gpu->memory_total = gpu->memory_used = gpu->memory_reserved = (struct Answer){0};
    else if (strcmp(value, "not_supported") == 0)
        gpu->memory_total = (struct Answer){.status = NOT_SUPPORTED};
    else
        return false;
    return true;
}

bool read_gpu_key(struct Gpu *gpu, int number, char *key, char *value)
{
    for (size_t i = 0; i < sizeof GPU_KEYS / sizeof *GPU_KEYS; i++) {
        const struct GpuKey *known = &GPU_KEYS[i];
        if (strcmp(key, known->name) != 0)
            continue;
        void *place = (char *)gpu + known->offset;
        if (known->kind == TEXT)
            return read_text(value, place, known->size);
        if (known->kind == ANSWER)
            return read_answer(value, place);
        struct Answer flag;
        if (!read_answer(value, &flag))
            return false;
        *(bool *)place = flag.value != 0;
        return true;
    }
    if (strcmp(key, "processes") == 0)
        return read_processes(value, gpu, number);
    if (strcmp(key, "stray_samples") == 0)
        return read_strays(value, gpu);
    if (strcmp(key, "accounted") == 0)
        return read_accounted(value, gpu);
    if (strcmp(key, "mig_instances") == 0)
        return read_mig_instances(value, gpu, number);
    if (strcmp(key, "xid") == 0)
        return read_xids(value, gpu);
    if (strcmp(key, "nvlink_peers") == 0)
        return read_nvlink_peers(value, gpu);
    if (strcmp(key, "unified") == 0)
        return read_unified(value, gpu);
    if (strcmp(key, "fan_speeds") == 0)
        return read_answers(value, gpu->fan_speeds, MAX_FANS);
    if (strcmp(key, "mig_gpm_sm") == 0)
        return read_answers(value, gpu->mig_gpm_sm, MAX_MIG);
    if (strcmp(key, "fan_rpm") == 0)
        return read_answers(value, gpu->fan_rpm, MAX_FANS);
    char *rest = key, *word = next_part(&rest, ".");
    if (rest == NULL)
        return false;
    return strcmp(word, "field") == 0 ? read_field(rest, value, gpu)
                                      : is_fault(word) && read_fault(word, rest, value, gpu->faults);
}
