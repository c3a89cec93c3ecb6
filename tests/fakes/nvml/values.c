/* Reads the values of scenario keys. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvml_types.h"
#include "scenario.h"

char *next_part(char **rest, const char *separator)
{
    char *part = strsep(rest, separator);
    if (part == NULL)
        return NULL;
    while (isspace((unsigned char)*part))
        part++;
    char *end = part + strlen(part);
    while (end > part && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return part;
}

bool read_number(const char *text, unsigned long long *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0';
}

/* A number (decimal or 0x…), on, off, na (NotSupported), denied (NoPermission) or !CODE. */
bool read_answer(const char *text, struct Answer *out)
{
    const struct { const char *word; struct Answer answer; } words[] = {
        {"on", {.value = 1}},
        {"off", {.value = 0}},
        {"na", {.status = NOT_SUPPORTED}},
        {"denied", {.status = NO_PERMISSION}},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].answer;
            return true;
        }
    bool is_code = *text == '!';
    char *end;
    errno = 0;
    long long number = strtoll(text + is_code, &end, 0);
    *out = is_code ? (struct Answer){.status = (int)number} : (struct Answer){.value = number};
    return errno == 0 && end != text + is_code && *end == '\0';
}

/* Literal text, with \xHH for bytes that a scenario file should not contain. */
bool read_text(const char *text, char *out, size_t size)
{
    size_t length = 0;
    while (*text != '\0') {
        if (length + 1 >= size)
            return false;
        unsigned byte;
        if (text[0] == '\\' && text[1] == 'x') {
            if (!isxdigit((unsigned char)text[2]) || !isxdigit((unsigned char)text[3]) ||
                sscanf(text + 2, "%2x", &byte) != 1)
                return false;
            text += 4;
        } else {
            byte = (unsigned char)*text++;
        }
        out[length++] = (char)byte;
    }
    out[length] = '\0';
    return true;
}

/* One number of a list of optional ones: an omitted number keeps `*out`. */
static bool next_unsigned(char **rest, unsigned *out)
{
    char *part = next_part(rest, ":");
    if (part == NULL)
        return true;
    unsigned long long number;
    if (!read_number(part, &number) || number > UINT32_MAX)
        return false;
    *out = (unsigned)number;
    return true;
}

static bool read_types(const char *letters, unsigned *types)
{
    *types = 0;
    for (; *letters != '\0'; letters++) {
        if (*letters == 'C')
            *types |= COMPUTE;
        else if (*letters == 'G')
            *types |= GRAPHICS;
        else if (*letters == 'M')
            *types |= MPS;
        else
            return false;
    }
    return true;
}

static bool read_mib(const char *text, unsigned long long *bytes)
{
    if (strcmp(text, "na") == 0) {
        *bytes = NO_MEMORY_FIGURE;
        return true;
    }
    if (!read_number(text, bytes))
        return false;
    *bytes <<= 20;
    return true;
}

/* pid:types:mib[:sm[:mem[:enc[:dec[:jpg[:ofa]]]]]][@gpu-instance.compute-instance] */
static bool read_process(char *text, struct Process *out)
{
    *out = (struct Process){.gpu_instance = NO_INSTANCE, .compute_instance = NO_INSTANCE};
    char *figures = next_part(&text, "@");
    if (text != NULL && sscanf(text, "%u.%u", &out->gpu_instance, &out->compute_instance) != 2)
        return false;
    char *pid = next_part(&figures, ":"), *types = next_part(&figures, ":"), *mib = next_part(&figures, ":");
    unsigned long long number;
    if (pid == NULL || types == NULL || mib == NULL || !read_number(pid, &number) || number > UINT32_MAX)
        return false;
    out->pid = (unsigned)number;
    return read_types(types, &out->types) && read_mib(mib, &out->memory) && next_unsigned(&figures, &out->sm) &&
           next_unsigned(&figures, &out->memory_percent) && next_unsigned(&figures, &out->encoder) &&
           next_unsigned(&figures, &out->decoder) && next_unsigned(&figures, &out->jpeg) &&
           next_unsigned(&figures, &out->ofa) && figures == NULL;
}

bool read_processes(char *text, struct Gpu *gpu, int number)
{
    unsigned long long count;
    if (read_number(text, &count)) {
        if (count > MAX_PROCESSES)
            return false;
        set_default_processes(gpu, number, (int)count);
        return true;
    }
    gpu->process_count = 0;
    if (*text == '\0')
        return true;
    for (char *part; (part = next_part(&text, ",")) != NULL;)
        if (gpu->process_count == MAX_PROCESSES || !read_process(part, &gpu->processes[gpu->process_count++]))
            return false;
    return true;
}

/* pid:sm[:mem[:enc[:dec[:age in ms]]]], … */
bool read_strays(char *text, struct Gpu *gpu)
{
    gpu->stray_count = 0;
    if (*text == '\0')
        return true;
    for (char *part; (part = next_part(&text, ",")) != NULL;) {
        if (gpu->stray_count == MAX_SAMPLES)
            return false;
        struct StraySample *stray = &gpu->strays[gpu->stray_count++];
        unsigned age_ms = 0;
        *stray = (struct StraySample){0};
        if (!next_unsigned(&part, &stray->pid) || !next_unsigned(&part, &stray->sm) ||
            !next_unsigned(&part, &stray->memory_percent) || !next_unsigned(&part, &stray->encoder) ||
            !next_unsigned(&part, &stray->decoder) || !next_unsigned(&part, &age_ms) || part != NULL)
            return false;
        stray->age_ms = age_ms;
    }
    return true;
}

/* pid:utilization:mib:ms:start in Unix ms[:running], … */
static bool read_accounted_process(char *text, struct Accounted *out)
{
    *out = (struct Accounted){0};
    if (!next_unsigned(&text, &out->pid) || !next_unsigned(&text, &out->utilization))
        return false;
    char *mib = next_part(&text, ":"), *time = next_part(&text, ":"), *start = next_part(&text, ":");
    return mib != NULL && time != NULL && start != NULL && read_mib(mib, &out->memory) &&
           read_number(time, &out->time_ms) && read_number(start, &out->start_ms) &&
           next_unsigned(&text, &out->is_running) && text == NULL;
}

bool read_accounted(char *text, struct Gpu *gpu)
{
    gpu->accounted_count = 0;
    if (*text == '\0')
        return true;
    for (char *part; (part = next_part(&text, ",")) != NULL;)
        if (gpu->accounted_count == MAX_ACCOUNTED ||
            !read_accounted_process(part, &gpu->accounted[gpu->accounted_count++]))
            return false;
    return true;
}

/* profile:gpu-instance:compute-instance:total MiB:used MiB[:uuid]; 1c.3g.20gb: slices of compute, then of the GPU */
static bool read_mig_instance(char *text, struct MigInstance *out, int number, int place)
{
    char *profile = next_part(&text, ":");
    unsigned gpu_instance = 0, compute_instance = 0, total = 0, used = 0;
    if (!next_unsigned(&text, &gpu_instance) || !next_unsigned(&text, &compute_instance) ||
        !next_unsigned(&text, &total) || !next_unsigned(&text, &used))
        return false;
    *out = (struct MigInstance){
        .present = true,
        .gpu_instance = gpu_instance,
        .compute_instance = compute_instance,
        .total = (unsigned long long)total << 20,
        .used = (unsigned long long)used << 20,
    };
    snprintf(out->uuid, sizeof out->uuid, "MIG-%08x-%04x-5000-8000-000000000000", (unsigned)number, (unsigned)place);
    if (sscanf(profile, "%uc.%ug", &out->compute_slices, &out->slices) != 2) {
        if (sscanf(profile, "%ug", &out->slices) != 1)
            return false;
        out->compute_slices = out->slices;
    }
    char *uuid = next_part(&text, ":");
    return text == NULL && read_text(profile, out->profile, sizeof out->profile) &&
           (uuid == NULL || read_text(uuid, out->uuid, sizeof out->uuid));
}

/* A list of instances; - is an empty place, as of a destroyed instance. */
bool read_mig_instances(char *text, struct Gpu *gpu, int number)
{
    memset(gpu->instances, 0, sizeof gpu->instances);
    if (*text == '\0')
        return true;
    int place = 0;
    for (char *part; (part = next_part(&text, ",")) != NULL; place++) {
        if (place == MAX_MIG)
            return false;
        if (strcmp(part, "-") != 0 && !read_mig_instance(part, &gpu->instances[place], number, place))
            return false;
    }
    return true;
}

/* code@sequence, …: events are delivered once, in ascending order of sequence numbers. */
bool read_xids(char *text, struct Gpu *gpu)
{
    gpu->xid_count = 0;
    if (*text == '\0')
        return true;
    for (char *part; (part = next_part(&text, ",")) != NULL;) {
        char *code = next_part(&part, "@");
        if (gpu->xid_count == MAX_XIDS || part == NULL)
            return false;
        struct XidEvent *event = &gpu->xids[gpu->xid_count++];
        if (!read_number(code, &event->code) || !read_number(part, &event->sequence))
            return false;
    }
    return true;
}

/* GPU numbers by link, or switch; links that are not listed lead to a switch. */
bool read_nvlink_peers(char *text, struct Gpu *gpu)
{
    for (int link = 0; link < MAX_LINKS; link++) {
        char *part = next_part(&text, ",");
        unsigned long long number;
        if (part == NULL || strcmp(part, "switch") == 0)
            gpu->nvlink_peers[link] = ON_SWITCH;
        else if (read_number(part, &number) && number < MAX_GPUS)
            gpu->nvlink_peers[link] = (int)number;
        else
            return false;
    }
    return text == NULL;
}
