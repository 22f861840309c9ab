/* SPDX-License-Identifier: Apache-2.0 */
/* The convolutions in float32. */
#include "ecg_internal.h"

#ifdef ECG_INT8
#error "this file computes in float32: compile ecg_layers_int8.c instead"
#endif

/* Four outputs at a time share what they read. Activations lie position by position. */
static void convolve(const ecg_layer *layer, const float *in, int32_t in_positions, float *out,
                     int32_t positions) {
    const int32_t inputs = layer->inputs, outputs = layer->outputs;
    const int32_t reach = layer->dilation * (layer->kernel - 1) / 2;
    for (int32_t p = 0; p < positions; p++) {
        const float *weight = ecg_weights + layer->weight;
        const float *bias = ecg_biases + layer->bias;
        for (int32_t o = 0; o < outputs; o += 4, bias += 4) {
            float a = bias[0], b = bias[1], c = bias[2], d = bias[3];
            for (int32_t k = 0; k < layer->kernel; k++) {
                const int32_t at = p * layer->stride - reach + k * layer->dilation;
                if (at < 0 || at >= in_positions) {
                    weight += 4 * inputs;
                    continue;
                }
                const float *x = in + at * inputs;
                for (const float *end = x + inputs; x < end; x++, weight += 4) {
                    a += weight[0] * *x;
                    b += weight[1] * *x;
                    c += weight[2] * *x;
                    d += weight[3] * *x;
                }
            }
            const float sum[4] = {a, b, c, d};
            float *result = out + p * outputs + o;
            for (int32_t j = 0; j < 4 && o + j < outputs; j++) {
                const float value = layer->role == ECG_SECOND ? sum[j] + result[j] : sum[j];
                result[j] = value > 0.0f ? value : 0.0f;
            }
        }
    }
}

void ecg_layers_run(ecg_workspace *workspace, int member, const float *x, int32_t samples) {
    float *current = workspace->in_second ? workspace->first.activation : workspace->second.activation;
    float *other = workspace->in_second ? workspace->second.activation : workspace->first.activation;
    int32_t positions = samples;
    for (int32_t t = 0; t < samples; t++) {
        const float magnitude = x[t] < 0.0f ? -x[t] : x[t];
        current[2 * t] = x[t];
        current[2 * t + 1] = x[t] / (magnitude + ECG_SOFTSIGN_KNEE);
    }
    for (int k = 0; k < ECG_LAYERS; k++) {
        const ecg_layer *layer = &ecg_layers[member][k];
        if (layer->role == ECG_SECOND) {
            convolve(layer, other, positions, current, positions);
            continue;
        }
        const int32_t made = (positions + layer->stride - 1) / layer->stride;
        convolve(layer, current, positions, other, made);
        positions = made;
        if (layer->role == ECG_DOWN) {
            float *keep = current;
            current = other;
            other = keep;
        }
    }
    ecg_pool(current, positions, 1.0f, member, other,
             workspace->embedding + member * (ECG_FEATURES / ECG_MEMBERS));
}
