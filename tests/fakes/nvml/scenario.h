/* The scenario file: its keys, its values and their defaults. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "weather.h"

/* Fill `out` from the file, or only with the defaults if `path` is NULL. On false, `error` has the message. */
bool scenario_read(const char *path, struct Weather *out, char *error, size_t error_size);

void set_gpu_defaults(struct Gpu *gpu, int number);
void set_default_processes(struct Gpu *gpu, int number, int count);

/* Keys: the part after `gpu.N.`, and FUNCTION after a word that is_fault. False for an unknown key or value. */
bool read_gpu_key(struct Gpu *gpu, int number, char *key, char *value);
bool is_fault(const char *word);
bool read_fault(const char *word, const char *function, const char *value, struct Fault *faults);

/* Each reads one value; false if the text is not such a value. They can modify `text`. */
bool read_number(const char *text, unsigned long long *out);
bool read_answer(const char *text, struct Answer *out);
bool read_text(const char *text, char *out, size_t size);
bool read_processes(char *text, struct Gpu *gpu, int number);
bool read_strays(char *text, struct Gpu *gpu);
bool read_accounted(char *text, struct Gpu *gpu);
bool read_mig_instances(char *text, struct Gpu *gpu, int number);
bool read_xids(char *text, struct Gpu *gpu);
bool read_nvlink_peers(char *text, struct Gpu *gpu);

/* The next part of `*rest` up to `separator`, stripped of blanks; NULL after the last. */
char *next_part(char **rest, const char *separator);

#endif
