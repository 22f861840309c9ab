/* SPDX-License-Identifier: Apache-2.0 */
/* Taking samples in, the network around its layers, calibration and decision. */
#include "ecg_internal.h"

#include <math.h>
#include <string.h>

ECG_ASSERT(ECG_ROW_FIRST >= ECG_HEADS * ECG_POSITIONS, scores_fit_first);
ECG_ASSERT(ECG_ROW_SECOND >= ECG_HEADS * ECG_POSITIONS, scores_fit_second);
ECG_ASSERT(ECG_FEATURES == ECG_MEMBERS * ECG_CHANNELS * (ECG_HEADS + 2), embedding_is_whole);

uint32_t ecg_workspace_bytes(void) { return (uint32_t)sizeof(ecg_workspace); }

ecg_status ecg_reset(ecg_workspace *workspace) {
    if (!workspace) return ECG_BAD_ARGUMENT;
    memset(workspace->missing, 0, sizeof workspace->missing);
    workspace->samples = 0;
    workspace->stage = ECG_STAGE_FILLING;
    workspace->in_second = 0;
    return ECG_OK;
}

/* By their bits: compilers may take isnan away where they are told that no NaN exists. */
static uint32_t magnitude_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffffu;
}

ecg_status ecg_push(ecg_workspace *workspace, const float *millivolts, int32_t count) {
    const uint32_t infinite = 0x7f800000u;
    if (!workspace || !millivolts || count < 0) return ECG_BAD_ARGUMENT;
    if (workspace->stage != ECG_STAGE_FILLING) return ECG_OUT_OF_ORDER;
    if (count > ECG_INPUT_SAMPLES - workspace->samples) return ECG_WINDOW_FULL;
    for (int32_t k = 0; k < count; k++)
        if (magnitude_bits(millivolts[k]) == infinite) return ECG_BAD_SAMPLE;
    float *row = ecg_row(workspace);
    for (int32_t k = 0; k < count; k++, workspace->samples++) {
        const int32_t at = workspace->samples;
        const int gone = magnitude_bits(millivolts[k]) > infinite;
        row[at] = gone ? 0.0f : millivolts[k];
        if (gone) workspace->missing[at >> 3] |= (uint8_t)(1u << (at & 7));
    }
    return ECG_OK;
}

/* Zeros at the right end are padding, which the network does not see. */
static int32_t samples_before_padding(const float *x) {
    int32_t count = ECG_SAMPLES;
    while (count > 1 && !(x[count - 1] < 0.0f) && !(x[count - 1] > 0.0f)) count--;
    return count;
}

/* Attention, mean and maximum over the positions. */
void ecg_pool(const ecg_activation *x, int32_t positions, float scale, int member, float *scores,
              float *embedding) {
    for (int head = 0; head < ECG_HEADS; head++) {
        float *score = scores + head * positions, largest = -FLT_MAX, total = 0.0f;
        float *attended = embedding + head * ECG_CHANNELS;
        for (int32_t p = 0; p < positions; p++) {
            float sum = 0.0f;
            for (int32_t c = 0; c < ECG_CHANNELS; c++)
                sum += ecg_attention_weight[member][head][c] * (float)x[p * ECG_CHANNELS + c];
            score[p] = sum * scale + ecg_attention_bias[member][head];
            if (score[p] > largest) largest = score[p];
        }
        for (int32_t c = 0; c < ECG_CHANNELS; c++) attended[c] = 0.0f;
        for (int32_t p = 0; p < positions; p++) {
            const float share = expf(score[p] - largest);
            total += share;
            for (int32_t c = 0; c < ECG_CHANNELS; c++)
                attended[c] += share * (float)x[p * ECG_CHANNELS + c];
        }
        for (int32_t c = 0; c < ECG_CHANNELS; c++) attended[c] *= scale / total;
    }
    float *mean = embedding + ECG_HEADS * ECG_CHANNELS, *top = mean + ECG_CHANNELS;
    for (int32_t c = 0; c < ECG_CHANNELS; c++) {
        float sum = 0.0f, largest = 0.0f;
        for (int32_t p = 0; p < positions; p++) {
            const float value = (float)x[p * ECG_CHANNELS + c];
            sum += value;
            if (value > largest) largest = value;
        }
        mean[c] = sum * scale / (float)positions;
        top[c] = largest * scale;
    }
}

ecg_status ecg_network(ecg_workspace *workspace, float logits[ECG_TARGETS]) {
    if (!workspace || !logits) return ECG_BAD_ARGUMENT;
    if (workspace->stage != ECG_STAGE_STANDARDIZED) return ECG_OUT_OF_ORDER;
    const float *x = ecg_row(workspace);
    const int32_t samples = samples_before_padding(x);
#if ECG_MEMBERS > 1
    memcpy(workspace->kept, x, sizeof workspace->kept);
    x = workspace->kept;
#endif
    for (int member = 0; member < ECG_MEMBERS; member++)
        ecg_layers_run(workspace, member, x, samples);
    for (int k = 0; k < ECG_TARGETS; k++) {
        logits[k] = ecg_classifier_bias[k];
        for (int32_t f = 0; f < ECG_FEATURES; f++)
            logits[k] += ecg_classifier_weight[k][f] * workspace->embedding[f];
    }
    return ecg_reset(workspace);
}

#if ECG_MULTICLASS
static void to_probabilities(float *values) { /* softmax */
    float largest = values[0], total = 0.0f;
    for (int k = 1; k < ECG_TARGETS; k++)
        if (values[k] > largest) largest = values[k];
    for (int k = 0; k < ECG_TARGETS; k++) total += values[k] = expf(values[k] - largest);
    for (int k = 0; k < ECG_TARGETS; k++) values[k] /= total;
}

static void find_present(ecg_answer *answer) { /* the largest one */
    int top = 0;
    for (int k = 1; k < ECG_TARGETS; k++)
        if (answer->probabilities[k] > answer->probabilities[top]) top = k;
    for (int k = 0; k < ECG_TARGETS; k++) answer->present[k] = (int8_t)(k == top);
}
#else
static void to_probabilities(float *values) { /* sigmoid, without overflow */
    for (int k = 0; k < ECG_TARGETS; k++) {
        const float small = expf(values[k] < 0.0f ? values[k] : -values[k]);
        values[k] = (values[k] < 0.0f ? small : 1.0f) / (1.0f + small);
    }
}

/* Of rhythms that exclude each other (a bit in common) the most probable one is claimed. */
static void withhold(ecg_answer *answer) {
    uint8_t made = 0;
    uint8_t seen[ECG_TARGETS] = {0};
    for (;;) {
        int top = -1;
        for (int k = 0; k < ECG_TARGETS; k++) {
            if (answer->present[k] != 1 || seen[k] || !ecg_exclusive[k]) continue;
            if (top < 0 || answer->probabilities[k] > answer->probabilities[top]) top = k;
        }
        if (top < 0) return;
        seen[top] = 1;
        if (made & ecg_exclusive[top])
            answer->present[top] = -1;
        else
            made |= ecg_exclusive[top];
    }
}

static void find_present(ecg_answer *answer) {
    for (int k = 0; k < ECG_TARGETS; k++) {
        const int decided = ecg_threshold[k] <= 1.0f;
        const int there = answer->probabilities[k] >= ecg_threshold[k];
        answer->present[k] = (int8_t)(decided ? there : -1);
    }
    withhold(answer);
}
#endif

static int is_level(ecg_level level) {
    return level == ECG_WINDOW || level == ECG_RECORD || level == ECG_SHORT_WINDOW;
}

ecg_status ecg_decide(const float logits[ECG_TARGETS], ecg_level level, ecg_answer *answer) {
    if (!logits || !answer || !is_level(level)) return ECG_BAD_ARGUMENT;
    for (int k = 0; k < ECG_TARGETS; k++) {
        answer->logits[k] = logits[k];
        answer->probabilities[k] = logits[k] * ecg_scale[level][k] + ecg_offset[level][k];
    }
    to_probabilities(answer->probabilities);
    find_present(answer);
    return ECG_OK;
}

ecg_status ecg_run(ecg_workspace *workspace, ecg_level level, ecg_answer *answer) {
    if (!workspace || !answer || !is_level(level)) return ECG_BAD_ARGUMENT;
    float logits[ECG_TARGETS];
    memset(answer, 0, sizeof *answer);
    answer->status = ecg_assess(workspace, &answer->warnings);
    if (answer->status == ECG_OK) answer->status = ecg_standardize(workspace, 0);
    if (answer->status == ECG_OK) answer->status = ecg_network(workspace, logits);
    if (answer->status == ECG_OK) answer->status = ecg_decide(logits, level, answer);
    (void)ecg_reset(workspace);
    return answer->status;
}
