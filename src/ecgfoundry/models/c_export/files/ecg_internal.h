/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the model share. */
#ifndef ECG_INTERNAL_H
#define ECG_INTERNAL_H

#include <float.h>

#include "ecg_model.h"

/* A condition that has to hold when this is compiled; C99 has no word for it. */
#define ECG_ASSERT(condition, name) typedef char ecg_assert_##name[(condition) ? 1 : -1]

ECG_ASSERT(sizeof(float) == 4 && FLT_MANT_DIG == 24 && FLT_MAX_EXP == 128, float_is_binary32);
ECG_ASSERT(sizeof(double) == 8 && DBL_MANT_DIG == 53, double_is_binary64);
ECG_ASSERT(ECG_ROOM >= 0 && ECG_ROW_FIRST >= ECG_INPUT_SAMPLES + 2 * ECG_ROOM, window_fits);
ECG_ASSERT(ECG_FEWEST_SAMPLES > 0 && ECG_FEWEST_SAMPLES <= ECG_INPUT_SAMPLES, some_window_is_read);

enum { ECG_STAGE_FILLING = 0, ECG_STAGE_ASSESSED = 1, ECG_STAGE_STANDARDIZED = 2 };

/* Roles of a layer: halve the time resolution; open a residual block; close it with a sum. */
enum { ECG_DOWN = 0, ECG_FIRST = 1, ECG_SECOND = 2 };

typedef struct {
    uint16_t inputs, outputs;
    uint8_t role, kernel, stride, dilation;
    uint32_t weight; /* of the first weight: [outputs / 4][kernel][inputs][4] */
    uint32_t bias;   /* of the first bias */
} ecg_layer;

extern const ecg_layer ecg_layers[ECG_MEMBERS][ECG_LAYERS];
#ifdef ECG_INT8
typedef struct {
    int32_t identity_factor; /* of what a residual block adds */
    int32_t shift;
} ecg_scaling;

extern const int8_t ecg_weights[];
extern const int32_t ecg_biases[];
extern const int32_t ecg_factors[];
extern const ecg_scaling ecg_scalings[ECG_MEMBERS][ECG_LAYERS];
extern const float ecg_last_scale[ECG_MEMBERS]; /* value per step */
#else
extern const float ecg_weights[];
extern const float ecg_biases[];
#endif

extern const float ecg_attention_weight[ECG_MEMBERS][ECG_HEADS][ECG_CHANNELS];
extern const float ecg_attention_bias[ECG_MEMBERS][ECG_HEADS];
extern const float ecg_classifier_weight[ECG_TARGETS][ECG_FEATURES];
extern const float ecg_classifier_bias[ECG_TARGETS];

enum { ECG_LEVELS = 3 };
extern const float ecg_scale[ECG_LEVELS][ECG_TARGETS]; /* calibration, by ecg_level */
extern const float ecg_offset[ECG_LEVELS][ECG_TARGETS];
extern const float ecg_threshold[ECG_TARGETS]; /* 2: there is none */
extern const uint8_t ecg_exclusive[ECG_TARGETS]; /* a bit in common: one of the two is claimed */

/* Place of the first sample of a window: the filters need room before and behind it. */
static inline float *ecg_row(ecg_workspace *workspace) {
    return (workspace->in_second ? workspace->second.row : workspace->first.row) + ECG_ROOM;
}

static inline int ecg_is_missing(const ecg_workspace *workspace, int32_t sample) {
    return (workspace->missing[sample >> 3] >> (sample & 7)) & 1;
}

/* The rank-th smallest (0: the smallest) of a window, without a copy and without an order of the
 * samples; with `present` the missing ones are left out. */
float ecg_ranked(const ecg_workspace *workspace, const float *x, int32_t count, int32_t rank,
                 int present);

/* Member of the committee: window to its part of the embedding. */
void ecg_layers_run(ecg_workspace *workspace, int member, const float *x, int32_t samples);

/* Pool the last layer's activations, (positions, ECG_CHANNELS) of value per step `scale`. */
void ecg_pool(const ecg_activation *x, int32_t positions, float scale, int member, float *scores,
              float *embedding);

#endif
