/* The entries of the library. Each piece of arithmetic was compiled once per instruction set; the
 * best that this processor and operating system have is taken, or the one that is asked for. */
#include "standardize.h"

#include <stddef.h>

typedef int (*standardize_function)(const ecgfoundry_job *);

int ecgfoundry_standardize_base(const ecgfoundry_job *);
#if defined(__x86_64__)
int ecgfoundry_standardize_avx2(const ecgfoundry_job *);
int ecgfoundry_standardize_avx512(const ecgfoundry_job *);
#endif

#define EXPORT __attribute__((visibility("default")))

/* Changes whenever a structure or an entry changes; the loader refuses any other number. */
EXPORT int ecgfoundry_interface(void) { return 1; }

/* 0: base, 1: AVX2, 2: AVX-512 (F, CD, BW, DQ, VL). */
EXPORT int ecgfoundry_instructions(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2"))
        return 1;
#endif
    return 0;
}

/* 0: done; 1: no memory; 2: the job is outside what is supported; 3: no such instructions here. */
EXPORT int ecgfoundry_standardize(const ecgfoundry_job *job, int instructions) {
    if (instructions > ecgfoundry_instructions()) return 3;
#if defined(__x86_64__)
    if (instructions == 2) return ecgfoundry_standardize_avx512(job);
    if (instructions == 1) return ecgfoundry_standardize_avx2(job);
#endif
    return ecgfoundry_standardize_base(job);
}
