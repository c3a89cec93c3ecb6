/* PCIe, NVLink, and the values that are queried by field number. */
#include "calls.h"

enum {
    FIELD_MEMORY_TEMPERATURE = 82,
    FIELD_ENERGY = 83,
    FIELD_NVLINK_COUNT = 91,
    FIELD_NVLINK_DATA_TX = 138,
    FIELD_NVLINK_DATA_RX = 139,
    FIELD_NVLINK_RAW_TX = 140,
    FIELD_NVLINK_RAW_RX = 141,
    FIELD_POWER_AVERAGE = 185,
    FIELD_POWER_INSTANT = 186,
    FIELD_PCIE_TX = 197,
    FIELD_PCIE_RX = 198,
    FIELD_RECOVERY_ACTION = 230,
};

#define ONE_FIGURE(name, member) \
    API name(nvmlDevice_t handle, unsigned *out) \
    { \
        ENTER_GPU(name, handle); \
        return give(gpu->member, out); \
    }

ONE_FIGURE(nvmlDeviceGetCurrPcieLinkGeneration, pcie_gen)
ONE_FIGURE(nvmlDeviceGetMaxPcieLinkGeneration, pcie_gen_max)
ONE_FIGURE(nvmlDeviceGetCurrPcieLinkWidth, pcie_width)
ONE_FIGURE(nvmlDeviceGetMaxPcieLinkWidth, pcie_width_max)
ONE_FIGURE(nvmlDeviceGetPcieReplayCounter, pcie_replays)

/* In KB/s; blocks as long as the real call samples its counter. */
API nvmlDeviceGetPcieThroughput(nvmlDevice_t handle, unsigned counter, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetPcieThroughput, handle);
    if (counter > 1)
        return INVALID_ARGUMENT;
    sleep_ms(weather()->pcie_throughput_ms);
    struct Answer rate = counter == 0 ? gpu->pcie_tx_rate : gpu->pcie_rx_rate;
    rate.value /= 1000;
    return give(rate, out);
}

static unsigned count_links(const struct Gpu *gpu)
{
    return gpu->nvlinks.value > MAX_LINKS ? (unsigned)MAX_LINKS : (unsigned)gpu->nvlinks.value;
}

/* Whether the GPU has this link: NotSupported if it has fewer, or leaves this one unused. */
static nvmlReturn_t find_link(const struct Gpu *gpu, unsigned link)
{
    if (gpu->nvlinks.status != SUCCESS)
        return gpu->nvlinks.status;
    if (link >= MAX_LINKS)
        return INVALID_ARGUMENT;
    return link < count_links(gpu) && (gpu->nvlinks_unused.value >> link & 1) == 0 ? SUCCESS : NOT_SUPPORTED;
}

static bool is_up(const struct Gpu *gpu, unsigned link)
{
    return (gpu->nvlinks_down.value >> link & 1) == 0;
}

API nvmlDeviceGetNvLinkState(nvmlDevice_t handle, unsigned link, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetNvLinkState, handle);
    nvmlReturn_t trouble = find_link(gpu, link);
    if (trouble == SUCCESS)
        *out = is_up(gpu, link);
    return trouble;
}

API nvmlDeviceGetNvLinkVersion(nvmlDevice_t handle, unsigned link, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetNvLinkVersion, handle);
    nvmlReturn_t trouble = find_link(gpu, link);
    return trouble != SUCCESS ? trouble : give(gpu->nvlink_version, out);
}

enum { DEVICE_GPU = 0, DEVICE_SWITCH = 2 };

API nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t handle, unsigned link, unsigned *out)
{
    ENTER_GPU(nvmlDeviceGetNvLinkRemoteDeviceType, handle);
    nvmlReturn_t trouble = find_link(gpu, link);
    if (trouble == SUCCESS)
        *out = gpu->nvlink_peers[link] == ON_SWITCH ? DEVICE_SWITCH : DEVICE_GPU;
    return trouble;
}

API nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t handle, unsigned link, struct PciInfo *out)
{
    ENTER_GPU(nvmlDeviceGetNvLinkRemotePciInfo_v2, handle);
    nvmlReturn_t trouble = find_link(gpu, link);
    if (trouble != SUCCESS)
        return trouble;
    if (gpu->nvlink_peers[link] != ON_SWITCH)
        return give_pci(&weather()->gpus[gpu->nvlink_peers[link]], out);
    *out = (struct PciInfo){.bus = 0xC5, .bus_id_legacy = "0000:C5:00.0", .bus_id = "00000000:C5:00.0"};
    return SUCCESS;
}

static void give_small(struct FieldValue *field, struct Answer answer)
{
    field->value_type = VALUE_UNSIGNED_INT;
    field->status = give(answer, &field->value.small);
}

static void give_large(struct FieldValue *field, unsigned long long value, int status)
{
    field->value_type = VALUE_UNSIGNED_LONG_LONG;
    field->value.large = value;
    field->status = status;
}

/* The traffic of one link, or of all links for scope UINT32_MAX. */
static void give_traffic(const struct Gpu *gpu, struct FieldValue *field, const struct Counter *counter, int status)
{
    unsigned long long traffic = counter_now(counter, monotonic_ns());
    if (field->scope != UINT32_MAX) {
        nvmlReturn_t trouble = find_link(gpu, field->scope);
        give_large(field, traffic, trouble != SUCCESS ? trouble : status);
        return;
    }
    unsigned links = 0;
    for (unsigned link = 0; link < count_links(gpu); link++)
        links += is_up(gpu, link);
    give_large(field, traffic * links, gpu->nvlinks.status != SUCCESS ? gpu->nvlinks.status : status);
}

/* 32 bits wide in driver 580 (value type unsigned int); the width is not documented. */
static void give_pcie(struct FieldValue *field, const struct Counter *counter, int status)
{
    unsigned long long bytes = counter_now(counter, monotonic_ns());
    if (weather()->pcie_counter_bits == 32)
        give_small(field, (struct Answer){(long long)(bytes & UINT32_MAX), status});
    else
        give_large(field, bytes, status);
}

static void give_field(const struct Gpu *gpu, struct FieldValue *field)
{
    switch (field->field) {
    case FIELD_MEMORY_TEMPERATURE: give_small(field, gpu->memory_temperature); break;
    case FIELD_ENERGY: give_large(field, counter_now(&gpu->energy_counter, monotonic_ns()), gpu->energy.status); break;
    case FIELD_NVLINK_COUNT: give_small(field, gpu->nvlinks); break;
    case FIELD_NVLINK_DATA_TX:
    case FIELD_NVLINK_RAW_TX: give_traffic(gpu, field, &gpu->nvlink_tx_counter, gpu->nvlink_tx.status); break;
    case FIELD_NVLINK_DATA_RX:
    case FIELD_NVLINK_RAW_RX: give_traffic(gpu, field, &gpu->nvlink_rx_counter, gpu->nvlink_rx.status); break;
    case FIELD_POWER_AVERAGE: give_small(field, or_else(gpu->power_average, gpu->power)); break;
    case FIELD_POWER_INSTANT: give_small(field, or_else(gpu->power_instant, gpu->power)); break;
    case FIELD_PCIE_TX: give_pcie(field, &gpu->pcie_tx_counter, gpu->pcie_tx.status); break;
    case FIELD_PCIE_RX: give_pcie(field, &gpu->pcie_rx_counter, gpu->pcie_rx.status); break;
    case FIELD_RECOVERY_ACTION: give_small(field, gpu->recovery_action); break;
    default: field->status = NOT_SUPPORTED; break;
    }
}

/* Each field has its own status; the call itself succeeds. */
NEWER_API nvmlDeviceGetFieldValues(nvmlDevice_t handle, int count, struct FieldValue *fields)
{
    ENTER_GPU(nvmlDeviceGetFieldValues, handle);
    if (count < 1 || fields == NULL)
        return INVALID_ARGUMENT;
    int64_t now = (int64_t)unix_us();
    for (struct FieldValue *field = fields; field < fields + count; field++) {
        field->timestamp = now;
        field->latency = 0;
        give_field(gpu, field);
        for (int i = 0; i < gpu->field_count; i++)
            if (gpu->fields[i].id == field->field)
                give_large(field, gpu->fields[i].value, SUCCESS);
        if (field->field < MAX_FIELD_ID && gpu->field_status[field->field] != SUCCESS)
            field->status = gpu->field_status[field->field];
    }
    return SUCCESS;
}
