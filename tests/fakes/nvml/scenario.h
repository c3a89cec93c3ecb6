/* The scenario file: its keys, its values and what holds where it says nothing. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "weather.h"

/* Fill `out` from the file, or with the defaults alone where `path` is NULL. False: `error` says what is wrong. */
bool scenario_read(const char *path, struct Weather *out, char *error, size_t error_size);

void set_gpu_defaults(struct Gpu *gpu, int number);
void set_default_processes(struct Gpu *gpu, int number, int count);

/* Keys: what follows `gpu.N.`, and FUNCTION after a word that is_fault. False where key or value is not understood. */
bool read_gpu_key(struct Gpu *gpu, int number, char *key, char *value);
bool is_fault(const char *word);
bool read_fault(const char *word, const char *function, const char *value, struct Fault *faults);

/* Readers of one value each; false where the text is not such a value. They may write into `text`. */
bool read_number(const char *text, unsigned long long *out);
bool read_answer(const char *text, struct Answer *out);
bool read_text(const char *text, char *out, size_t size);
bool read_processes(char *text, struct Gpu *gpu, int number);
bool read_strays(char *text, struct Gpu *gpu);
bool read_mig_instances(char *text, struct Gpu *gpu, int number);
bool read_xids(char *text, struct Gpu *gpu);

/* The next part of `*rest` up to `separator`, without blanks around it; NULL after the last. */
char *next_part(char **rest, const char *separator);

#endif
