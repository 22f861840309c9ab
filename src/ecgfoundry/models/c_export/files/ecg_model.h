/* SPDX-License-Identifier: Apache-2.0 */
/* One lead in, probabilities and a decision out. Portable C99, static memory, no dependence beyond
 * the standard headers and the functions of <math.h>.
 *
 *   static ecg_workspace workspace;              all memory that is needed
 *   ecg_reset(&workspace);
 *   ecg_push(&workspace, millivolts, count);     as often as samples come
 *   ecg_run(&workspace, ECG_RECORD, &answer);    once per window
 *
 * The steps behind ecg_run can be called one by one; see below. Nothing here is thread-safe for one
 * workspace; several workspaces do not know of each other. What the model is for, was trained on
 * and fails at stands in model.json and README.md. Not a medical device.
 */
#ifndef ECG_MODEL_H
#define ECG_MODEL_H

#include <stdint.h>

#include "ecg_config.h" /* sizes and limits of this model, made of its bundle */

/* -DECG_INT8, for all files: weights and activations of eight bits. Objects of the two kinds have
 * other names, so that they do not link together. */
#ifdef ECG_INT8
#define ecg_reset ecg_reset_int8
#define ecg_push ecg_push_int8
#define ecg_run ecg_run_int8
#define ecg_assess ecg_assess_int8
#define ecg_standardize ecg_standardize_int8
#define ecg_network ecg_network_int8
#define ecg_workspace_bytes ecg_workspace_bytes_int8
typedef uint8_t ecg_activation;
#else
typedef float ecg_activation;
#endif

typedef enum {
    ECG_OK = 0,
    ECG_REFUSED_MISSING = 1,   /* too much of the window is missing */
    ECG_REFUSED_TOO_SHORT = 2, /* fewer samples than ECG_FEWEST_SAMPLES */
    ECG_REFUSED_FLAT = 3,      /* no ECG: check the electrodes and the unit (mV) */
    ECG_BAD_ARGUMENT = 4,      /* a null pointer, a negative count, a level that does not exist */
    ECG_BAD_SAMPLE = 5,        /* an infinite sample; NaN means missing and is fine */
    ECG_WINDOW_FULL = 6,       /* more samples than a window holds: nothing was taken */
    ECG_OUT_OF_ORDER = 7       /* a step without the one before it */
} ecg_status;

/* Bits of warnings: the window can be read, and its reader should know. */
enum {
    ECG_WARNING_GAPS = 1,
    ECG_WARNING_FLAT_PARTS = 2,
    ECG_WARNING_SATURATION = 4,
    ECG_WARNING_AMPLITUDE_IMPLAUSIBLE = 8, /* the usual cause is a wrong unit or gain */
    ECG_WARNING_LOW_AMPLITUDE = 16,
    ECG_WARNING_POINTS_DOWN = 32 /* the tall deflections are negative: is lead I inverted? */
};

/* Which calibration: of a window out of a stream, of one of up to half the model's length, or of a
 * recording that is answered as a whole (one window, or the mean logits of several through
 * ecg_decide). */
typedef enum { ECG_WINDOW = 0, ECG_RECORD = 1, ECG_SHORT_WINDOW = 2 } ecg_level;

typedef struct {
    ecg_status status; /* with anything but ECG_OK there are no logits and no probabilities */
    uint32_t warnings;
    float logits[ECG_TARGETS];
    float probabilities[ECG_TARGETS]; /* calibrated where the model is */
    int8_t present[ECG_TARGETS];      /* 1 yes, 0 no, -1 not decided: it has no threshold,
                                       * or a more probable rhythm excludes it */
} ecg_answer;

/* A window on its way through the recipe lies in one of two places, in turn; the activations of the
 * network take the same places afterwards. */
typedef union {
    float row[ECG_ROW_FIRST];
    ecg_activation activation[ECG_ACTIVATIONS];
    int16_t image[ECG_IMAGE];
} ecg_first_place;

typedef union {
    float row[ECG_ROW_SECOND];
    ecg_activation activation[ECG_ACTIVATIONS];
    int16_t image[ECG_IMAGE];
} ecg_second_place;

typedef struct {
    ecg_first_place first;
    ecg_second_place second;
    float embedding[ECG_FEATURES];
#if ECG_MEMBERS > 1
    float kept[ECG_SAMPLES]; /* every member reads the window anew */
#endif
    uint8_t missing[(ECG_INPUT_SAMPLES + 7) / 8]; /* one bit per raw sample */
    int32_t samples;                              /* raw ones taken in */
    uint8_t stage;                                /* what is done; see ecg_internal.h */
    uint8_t in_second;                            /* where the window lies */
} ecg_workspace;

#ifdef __cplusplus
extern "C" {
#endif

extern const char *const ecg_target_names[ECG_TARGETS];

/* Start a new window. */
ecg_status ecg_reset(ecg_workspace *workspace);

/* Take in samples of ECG_INPUT_RATE_HZ in millivolts, NaN where one is missing; all or none. */
ecg_status ecg_push(ecg_workspace *workspace, const float *millivolts, int32_t count);

/* Judge, standardize, compute and decide; the window is used up, also where it is refused. */
ecg_status ecg_run(ecg_workspace *workspace, ecg_level level, ecg_answer *answer);

/* The steps of ecg_run, in this order. */
ecg_status ecg_assess(ecg_workspace *workspace, uint32_t *warnings);
ecg_status ecg_standardize(ecg_workspace *workspace, const float **standardized);
ecg_status ecg_network(ecg_workspace *workspace, float logits[ECG_TARGETS]);
ecg_status ecg_decide(const float logits[ECG_TARGETS], ecg_level level, ecg_answer *answer);

/* sizeof(ecg_workspace), for those who give the memory without knowing the type. */
uint32_t ecg_workspace_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
