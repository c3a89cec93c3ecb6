/* The default GPU: a data centre board on which every call succeeds; the GPUs differ slightly. */
#include <stdio.h>
#include <string.h>

#include "nvml_types.h"
#include "scenario.h"

static struct Answer figure(long long value)
{
    return (struct Answer){.value = value};
}

void set_default_processes(struct Gpu *gpu, int number, int count)
{
    gpu->process_count = count;
    for (int i = 0; i < count; i++)
        gpu->processes[i] = (struct Process){
            .pid = 100000u + (unsigned)number * 100 + (unsigned)i,
            .types = COMPUTE,
            .memory = 4096ull << 20,
            .sm = 10 + (unsigned)i,
            .memory_percent = 5 + (unsigned)i,
            .gpu_instance = NO_INSTANCE,
            .compute_instance = NO_INSTANCE,
        };
}

static void set_default_identity(struct Gpu *gpu, int number)
{
    strcpy(gpu->name, "NVIDIA H100 80GB HBM3");
    strcpy(gpu->vbios, "96.00.89.00.01");
    snprintf(gpu->uuid, sizeof gpu->uuid, "GPU-%08x-0000-4000-8000-000000000000", (unsigned)number);
    snprintf(gpu->pci, sizeof gpu->pci, "00000000:%02X:00.0", 0x10u + (unsigned)number);
    snprintf(gpu->serial, sizeof gpu->serial, "16500220%05u", (unsigned)number);
    gpu->brand = figure(14);
    gpu->arch = figure(9);
    gpu->minor = figure(number);
    gpu->compute_capability = figure(90);
}

static void set_default_load(struct Gpu *gpu, int number)
{
    gpu->utilization = figure(40 + number);
    gpu->memory_utilization = figure(20 + number);
    gpu->encoder = figure(1);
    gpu->decoder = figure(2);
    gpu->jpeg = figure(3);
    gpu->ofa = figure(4);
    gpu->gpm = figure(1);
    gpu->gpm_sm = figure(355);
    gpu->gpm_tensor = figure(120);
    gpu->gpm_dram = figure(208);
    for (int i = 0; i < MAX_MIG; i++)
        gpu->mig_gpm_sm[i].status = UNSET;
    gpu->memory_total = figure(81559);
    gpu->memory_used = figure(20480);
    gpu->memory_reserved = figure(600);
    gpu->bar1_total = figure(131072);
    gpu->bar1_used = figure(16);
    const long long clocks[4] = {1755, 1755, 2619, 1545}, max_clocks[4] = {1980, 1980, 2619, 1545};
    for (int i = 0; i < 4; i++) {
        gpu->clocks[i] = figure(clocks[i]);
        gpu->max_clocks[i] = figure(max_clocks[i]);
    }
}

static void set_default_heat(struct Gpu *gpu, int number)
{
    const struct Answer follows = {.status = UNSET};
    gpu->temperature = figure(50 + number);
    gpu->memory_temperature = figure(60 + number);
    gpu->shutdown_temperature = figure(92);
    gpu->slowdown_temperature = figure(89);
    gpu->max_memory_temperature = figure(95);
    gpu->max_temperature = figure(87);
    gpu->power = figure(300000 + 1000 * number);
    gpu->power_instant = gpu->power_average = follows;
    gpu->power_limit = gpu->power_default_limit = gpu->power_max_limit = figure(700000);
    gpu->power_enforced_limit = follows;
    gpu->power_min_limit = figure(200000);
    gpu->energy = figure(1000000000);
    gpu->energy_advances = figure(1);
    gpu->fans = figure(2);
    for (int i = 0; i < MAX_FANS; i++) {
        gpu->fan_speeds[i] = figure(30 + i);
        gpu->fan_rpm[i] = figure(1500 + 10 * i);
    }
}

static void set_default_links(struct Gpu *gpu)
{
    gpu->pcie_gen = gpu->pcie_gen_max = figure(5);
    gpu->pcie_width = gpu->pcie_width_max = figure(16);
    gpu->pcie_rx_rate = figure(100000000);
    gpu->pcie_tx_rate = figure(50000000);
    gpu->nvlink_version = figure(4);
    gpu->nvlink_rx_rate = figure(1048576); /* KiB per second: 1 GiB/s on each link */
    gpu->nvlink_tx_rate = figure(524288);
    for (int i = 0; i < MAX_LINKS; i++)
        gpu->nvlink_peers[i] = ON_SWITCH;
    gpu->fabric_state = figure(3); /* completed, with status 0 */
}

static void set_default_health(struct Gpu *gpu)
{
    const struct Answer not_supported = {.status = NOT_SUPPORTED};
    gpu->ecc = figure(1);
    gpu->retired_single_bit = gpu->retired_double_bit = gpu->retired_pending = not_supported; /* before Ampere only */
    gpu->persistence = figure(1);
    gpu->mig_max = figure(7);
}

void set_gpu_defaults(struct Gpu *gpu, int number)
{
    memset(gpu, 0, sizeof *gpu); /* values not set below are 0, and their calls succeed */
    set_default_identity(gpu, number);
    set_default_load(gpu, number);
    set_default_heat(gpu, number);
    set_default_links(gpu);
    set_default_health(gpu);
}
