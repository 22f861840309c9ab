/* The entries of the library. Each piece of arithmetic was compiled once per instruction set; the
 * best that this processor and operating system have is taken, or the one that is asked for. */
#include "beat_features.h"
#include "complexes.h"
#include "detection.h"
#include "filters.h"
#include "median_beat.h"
#include "morphology.h"
#include "quality.h"
#include "recognition.h"
#include "spectrum.h"
#include "standardize.h"
#include "waves.h"

#define DECLARE(NAME, JOB)                \
    int ecgfoundry_##NAME##_base(const JOB *); \
    int ecgfoundry_##NAME##_avx2(const JOB *); \
    int ecgfoundry_##NAME##_avx512(const JOB *);
DECLARE(standardize, ecgfoundry_job)
DECLARE(quality, ecgfoundry_quality_job)
DECLARE(limb, ecgfoundry_limb_job)
DECLARE(sections, ecgfoundry_sections_job)
DECLARE(correlate, ecgfoundry_correlate_job)
DECLARE(medians, ecgfoundry_medians_job)
DECLARE(waves, ecgfoundry_waves_job)
DECLARE(beat_features, ecgfoundry_beat_features_job)
DECLARE(complexes, ecgfoundry_complexes_job)
DECLARE(bridge, ecgfoundry_bridge_job)
DECLARE(median_beat, ecgfoundry_median_beat_job)
DECLARE(morphology, ecgfoundry_morphology_job)
DECLARE(recognition, ecgfoundry_recognition_job)
DECLARE(noise, ecgfoundry_noise_job)
DECLARE(detection, ecgfoundry_detection_job)
DECLARE(refine, ecgfoundry_refine_job)
DECLARE(band_power, ecgfoundry_band_power_job)
DECLARE(lead_features, ecgfoundry_lead_features_job)

#define EXPORT __attribute__((visibility("default")))

/* Changes whenever a structure or an entry changes; the loader refuses any other number. */
EXPORT int ecgfoundry_interface(void) { return 10; }

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

#if defined(__x86_64__)
#define CHOOSE(NAME, JOB)                                                  \
    if (instructions == 2) return ecgfoundry_##NAME##_avx512(job);         \
    if (instructions == 1) return ecgfoundry_##NAME##_avx2(job);           \
    return ecgfoundry_##NAME##_base(job);
#else
#define CHOOSE(NAME, JOB) return ecgfoundry_##NAME##_base(job);
#endif

/* 0: done; 1: no memory; 2: the job is outside what is supported; 3: no such instructions here;
 * 4: Python and C do not mean the same job. */
#define ENTRY(NAME, JOB)                                             \
    EXPORT int ecgfoundry_##NAME(const JOB *job, int instructions) { \
        if (instructions > ecgfoundry_instructions()) return 3;      \
        CHOOSE(NAME, JOB)                                            \
    }
ENTRY(standardize, ecgfoundry_job)
ENTRY(quality, ecgfoundry_quality_job)
ENTRY(limb, ecgfoundry_limb_job)
ENTRY(sections, ecgfoundry_sections_job)
ENTRY(correlate, ecgfoundry_correlate_job)
ENTRY(medians, ecgfoundry_medians_job)
ENTRY(waves, ecgfoundry_waves_job)
ENTRY(beat_features, ecgfoundry_beat_features_job)
ENTRY(complexes, ecgfoundry_complexes_job)
ENTRY(bridge, ecgfoundry_bridge_job)
ENTRY(median_beat, ecgfoundry_median_beat_job)
ENTRY(morphology, ecgfoundry_morphology_job)
ENTRY(recognition, ecgfoundry_recognition_job)
ENTRY(noise, ecgfoundry_noise_job)
ENTRY(detection, ecgfoundry_detection_job)
ENTRY(refine, ecgfoundry_refine_job)
ENTRY(band_power, ecgfoundry_band_power_job)
ENTRY(lead_features, ecgfoundry_lead_features_job)
