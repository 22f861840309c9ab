/* SPDX-License-Identifier: Apache-2.0 */
/* The convolutions in integers: int8 weights, uint8 activations, int32 sums. No result depends on
 * the processor. */
#include "ecg_internal.h"

#ifndef ECG_INT8
#error "this file computes in integers: compile with -DECG_INT8, for all files"
#endif

/* Sum to activation; what is negative is zero, so that no negative number is shifted. */
static uint8_t activation_of(int64_t scaled, int32_t shift) {
    if (scaled <= 0) return 0;
    const uint64_t steps = ((uint64_t)scaled + ((uint64_t)1 << (shift - 1))) >> shift;
    return steps > 255u ? (uint8_t)255 : (uint8_t)steps;
}

/* One definition for each type of input: `type` is int16_t for the window, else uint8_t. */
#define CONVOLVE(name, type)                                                                       \
    static void name(const ecg_layer *layer, const ecg_scaling *scaling, const type *in,           \
                     int32_t in_positions, uint8_t *out, int32_t positions) {                      \
        const int32_t inputs = layer->inputs, outputs = layer->outputs;                            \
        const int32_t reach = layer->dilation * (layer->kernel - 1) / 2;                           \
        for (int32_t p = 0; p < positions; p++) {                                                  \
            const int8_t *weight = ecg_weights + layer->weight;                                    \
            const int32_t *bias = ecg_biases + layer->bias;                                        \
            const int32_t *factor = ecg_factors + layer->bias;                                     \
            for (int32_t o = 0; o < outputs; o += 4, bias += 4, factor += 4) {                     \
                int32_t a = bias[0], b = bias[1], c = bias[2], d = bias[3];                        \
                for (int32_t k = 0; k < layer->kernel; k++) {                                      \
                    const int32_t at = p * layer->stride - reach + k * layer->dilation;            \
                    if (at < 0 || at >= in_positions) {                                            \
                        weight += 4 * inputs;                                                      \
                        continue;                                                                  \
                    }                                                                              \
                    const type *x = in + at * inputs;                                              \
                    for (const type *end = x + inputs; x < end; x++, weight += 4) {                \
                        const int32_t value = *x;                                                  \
                        a += weight[0] * value;                                                    \
                        b += weight[1] * value;                                                    \
                        c += weight[2] * value;                                                    \
                        d += weight[3] * value;                                                    \
                    }                                                                              \
                }                                                                                  \
                const int32_t sum[4] = {a, b, c, d};                                               \
                uint8_t *result = out + p * outputs + o;                                           \
                for (int32_t j = 0; j < 4 && o + j < outputs; j++) {                               \
                    int64_t scaled = (int64_t)sum[j] * factor[j];                                  \
                    if (layer->role == ECG_SECOND)                                                 \
                        scaled += (int64_t)result[j] * scaling->identity_factor;                   \
                    result[j] = activation_of(scaled, scaling->shift);                             \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

CONVOLVE(convolve_window, int16_t)
CONVOLVE(convolve, uint8_t)

static int16_t in_steps(float value) {
    const float steps = value * (float)ECG_IMAGE_STEPS;
    if (steps >= 32767.0f) return 32767;
    if (steps <= -32767.0f) return -32767;
    return (int16_t)(steps < 0.0f ? -(int32_t)(0.5f - steps) : (int32_t)(steps + 0.5f));
}

void ecg_layers_run(ecg_workspace *workspace, int member, const float *x, int32_t samples) {
    int16_t *image = workspace->in_second ? workspace->first.image : workspace->second.image;
    uint8_t *other = workspace->in_second ? workspace->first.activation : workspace->second.activation;
    uint8_t *current =
        workspace->in_second ? workspace->second.activation : workspace->first.activation;
    int32_t positions = samples;
    for (int32_t t = 0; t < samples; t++) {
        const float magnitude = x[t] < 0.0f ? -x[t] : x[t];
        image[2 * t] = in_steps(x[t]);
        image[2 * t + 1] = in_steps(x[t] / (magnitude + ECG_SOFTSIGN_KNEE));
    }
    for (int k = 0; k < ECG_LAYERS; k++) {
        const ecg_layer *layer = &ecg_layers[member][k];
        const ecg_scaling *scaling = &ecg_scalings[member][k];
        if (layer->role == ECG_SECOND) {
            convolve(layer, scaling, other, positions, current, positions);
            continue;
        }
        const int32_t made = (positions + layer->stride - 1) / layer->stride;
        if (k == 0) { /* from the image, which lies in the other place */
            convolve_window(layer, scaling, image, positions, current, made);
            positions = made;
            continue;
        }
        convolve(layer, scaling, current, positions, other, made);
        positions = made;
        if (layer->role == ECG_DOWN) {
            uint8_t *keep = current;
            current = other;
            other = keep;
        }
    }
    float *scores = current == workspace->first.activation ? workspace->second.row
                                                           : workspace->first.row;
    ecg_pool(current, positions, ecg_last_scale[member], member, scores,
             workspace->embedding + member * (ECG_FEATURES / ECG_MEMBERS));
}
