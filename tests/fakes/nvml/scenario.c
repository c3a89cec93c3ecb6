/* Reads the scenario file: lines `key = value`, later ones win, # starts a comment. */
#define _GNU_SOURCE
#include "scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvml_types.h"

/* The readers modify their text, so each GPU gets its own copy. */
static bool read_key_of(struct Weather *out, const char *which, const char *key, const char *value)
{
    unsigned long long number = 0;
    bool all = strcmp(which, "*") == 0;
    if (!all && (!read_number(which, &number) || number >= MAX_GPUS))
        return false;
    for (int i = all ? 0 : (int)number; i <= (all ? MAX_GPUS - 1 : (int)number); i++) {
        char *own_key = strdup(key), *own_value = strdup(value);
        bool understood = own_key != NULL && own_value != NULL && read_gpu_key(&out->gpus[i], i, own_key, own_value);
        free(own_key);
        free(own_value);
        if (!understood)
            return false;
    }
    return true;
}

static bool read_order(char *text, struct Weather *out)
{
    out->order_length = 0;
    for (char *part; (part = next_part(&text, ",")) != NULL;) {
        unsigned long long number;
        if (out->order_length == MAX_GPUS || !read_number(part, &number) || number >= MAX_GPUS)
            return false;
        out->order[out->order_length++] = (int)number;
    }
    return true;
}

static bool read_sample_quirk(const char *value, enum SampleQuirk *out)
{
    const char *const words[] = {"normal", "success_zero", "never"};
    for (int i = 0; i < 3; i++)
        if (strcmp(value, words[i]) == 0) {
            *out = (enum SampleQuirk)i;
            return true;
        }
    return false;
}

static bool read_key(struct Weather *out, char *key, char *value)
{
    unsigned long long number = 0;
    bool is_number = read_number(value, &number);
    if (strcmp(key, "gpus") == 0) {
        out->gpu_count = (int)number;
        return is_number && number <= MAX_GPUS;
    }
    if (strcmp(key, "driver_version") == 0)
        return read_text(value, out->driver_version, sizeof out->driver_version);
    if (strcmp(key, "nvml_version") == 0)
        return read_text(value, out->nvml_version, sizeof out->nvml_version);
    if (strcmp(key, "order") == 0)
        return read_order(value, out);
    if (strcmp(key, "process_utilization") == 0)
        return read_sample_quirk(value, &out->sample_quirk);
    if (strcmp(key, "cuda_version") == 0)
        return out->cuda_version = (int)number, is_number;
    if (strcmp(key, "init") == 0)
        return out->init_code = (int)number, is_number;
    if (strcmp(key, "all") == 0)
        return out->all_code = (int)number, is_number;
    if (strcmp(key, "sample_period_ms") == 0)
        return out->sample_period_ms = (unsigned)number, is_number && number > 0;
    if (strcmp(key, "event_look_ms") == 0)
        return out->event_look_ms = (unsigned)number, is_number && number > 0;
    if (strcmp(key, "pcie_throughput_ms") == 0)
        return out->pcie_throughput_ms = (unsigned)number, is_number;
    if (strcmp(key, "pcie_counter_bits") == 0)
        return out->pcie_counter_bits = (unsigned)number, is_number && (number == 32 || number == 64);
    if (strcmp(key, "memory_used_includes_reserved") == 0)
        return out->used_includes_reserved = number != 0, is_number;
    if (strncmp(key, "gpu.", 4) == 0) {
        char *rest = key + 4, *which = next_part(&rest, ".");
        return rest != NULL && read_key_of(out, which, rest, value);
    }
    char *dot = strchr(key, '.');
    if (dot != NULL && strncmp(key, "field.", 6) != 0) {
        *dot = '\0';
        bool understood = is_fault(key) && read_fault(key, dot + 1, value, out->faults);
        *dot = '.';
        return understood && read_key_of(out, "*", key, value);
    }
    return (dot != NULL || strcmp(key, "processes") == 0) && read_key_of(out, "*", key, value);
}

static void set_defaults(struct Weather *out)
{
    out->gpu_count = 8;
    out->order_length = 0;
    strcpy(out->driver_version, "580.65.06");
    strcpy(out->nvml_version, "13.580.65.06");
    out->cuda_version = 13000;
    out->init_code = out->all_code = SUCCESS;
    out->sample_quirk = SAMPLES_NORMAL;
    out->sample_period_ms = out->event_look_ms = 100;
    out->pcie_throughput_ms = 20; /* like the real call, which samples for 20 ms */
    out->pcie_counter_bits = 32; /* as driver 580 on an H100 */
    out->used_includes_reserved = false;
    memset(out->faults, 0, sizeof out->faults);
    for (int i = 0; i < MAX_GPUS; i++)
        set_gpu_defaults(&out->gpus[i], i);
}

static bool read_line(struct Weather *out, char *line)
{
    line[strcspn(line, "#\n")] = '\0';
    char *rest = line, *key = next_part(&rest, "=");
    if (rest == NULL)
        return *key == '\0';
    return read_key(out, key, next_part(&rest, ""));
}

bool scenario_read(const char *path, struct Weather *out, char *error, size_t error_size)
{
    set_defaults(out);
    if (path == NULL)
        return true;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(error, error_size, "scenario %s: %s", path, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t room = 0;
    bool understood = true;
    for (int number = 1; understood && getline(&line, &room, file) >= 0; number++) {
        char *copy = strdup(line);
        understood = read_line(out, line);
        if (!understood)
            snprintf(error, error_size, "scenario line %d is not understood: %s", number, copy == NULL ? "" : copy);
        free(copy);
    }
    for (int i = 0; understood && i < out->order_length; i++)
        if (out->order[i] >= out->gpu_count) {
            snprintf(error, error_size, "scenario: order names GPU %d of %d", out->order[i], out->gpu_count);
            understood = false;
        }
    free(line);
    fclose(file);
    return understood;
}

__attribute__((visibility("default"))) bool fakeDriverCheckScenario(const char *path, char *error, size_t error_size)
{
    struct Weather *scratch = malloc(sizeof *scratch);
    bool understood = scratch != NULL && scenario_read(path, scratch, error, error_size);
    free(scratch);
    return understood;
}
