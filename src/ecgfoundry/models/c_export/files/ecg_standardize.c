/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe of this model (recipe.h, which is made of preprocessing.json), step by step, for one
 * lead at one rate. Samples are kept as float; what is summed up is double, also the state of a
 * filter: its poles lie so close to 1 that rounding to float would be seen in the result. */
#include "ecg_internal.h"

#include <math.h>
#include <string.h>

#include "recipe.h"

/* The longest odd extension of a filter has to fit into the shortest window at any step. */
ECG_ASSERT(RECIPE_LARGEST_PAD <= ECG_ROOM, extension_fits);
ECG_ASSERT(RECIPE_LARGEST_PAD < ECG_FEWEST_ON_THE_WAY, extension_has_samples);
ECG_ASSERT(RECIPE_SAMPLES == ECG_SAMPLES, recipe_makes_the_input);
ECG_ASSERT((int64_t)ECG_INPUT_SAMPLES * RESAMPLING_UP + RESAMPLING_DOWN < INT32_MAX, times_fit);
ECG_ASSERT((RESAMPLING_POLYPHASE || RESAMPLING_LINEAR ? ECG_ROW_SECOND : ECG_ROW_FIRST) >=
               RECIPE_SAMPLES + 2 * ECG_ROOM,
           padded_window_fits);

enum { MOST_SECTIONS = sizeof recipe_section[0] / sizeof recipe_section[0][0] };

typedef struct {
    double first, second;
} section_state;

/* The state in which a section would be had its input been `x` for ever. */
static section_state at_rest(const double *c, double x) {
    const double steady = (c[0] + c[1] + c[2]) / (1.0 + c[4] + c[5]);
    const section_state state = {(steady - c[0]) * x, (c[2] - c[5] * steady) * x};
    return state;
}

/* All sections of a filter over x[0], x[step], ..., in place. */
static void filter_once(float *x, int32_t step, int32_t count, int number) {
    section_state state[MOST_SECTIONS];
    for (int32_t t = 0; t < count; t++) {
        float *sample = x + t * step;
        double value = (double)*sample * recipe_gain[number];
        for (int k = 0; k < recipe_sections[number]; k++) {
            const double *c = recipe_section[number][k];
            if (t == 0) state[k] = at_rest(c, value);
            const double out = c[0] * value + state[k].first;
            state[k].first = c[1] * value - c[4] * out + state[k].second;
            state[k].second = c[2] * value - c[5] * out;
            value = out;
        }
        *sample = (float)value;
    }
}

/* Forwards and backwards over an odd extension; x has room for it on both sides. */
static void zero_phase(float *x, int32_t count, int number) {
    const int32_t pad = recipe_pad[number], whole = count + 2 * pad;
    for (int32_t k = 1; k <= pad; k++) {
        x[-k] = 2.0f * x[0] - x[k];
        x[count - 1 + k] = 2.0f * x[count - 1] - x[count - 1 - k];
    }
    filter_once(x - pad, 1, whole, number);
    filter_once(x + count - 1 + pad, -1, whole, number);
}

static void bridge_gaps(const ecg_workspace *workspace, float *x, int32_t count) {
    int32_t last = -1; /* the last sample that is there */
    for (int32_t t = 0; t <= count; t++) {
        if (t < count && ecg_is_missing(workspace, t)) continue;
        for (int32_t u = last + 1; u < t; u++) {
            if (last < 0) x[u] = x[t];
            else if (t == count) x[u] = x[last];
            else
                x[u] = (float)((double)x[last] + ((double)x[t] - (double)x[last]) *
                                                     (double)(u - last) / (double)(t - last));
        }
        last = t;
    }
}

#if RESAMPLING_POLYPHASE
/* Low-pass and take the samples at times k * DOWN / UP. */
static int32_t resample(const ecg_workspace *workspace, const float *x, int32_t count, float *y) {
    const int32_t up = RESAMPLING_UP, down = RESAMPLING_DOWN, half = RESAMPLING_HALF;
    const int32_t length = (count * up + down - 1) / down;
    const float low = ecg_ranked(workspace, x, count, (count - 1) / 2, 0);
    const float high = ecg_ranked(workspace, x, count, count / 2, 0);
    const float offset = (float)(((double)low + (double)high) / 2.0);
    const float first = x[0] - offset;
    const float slope = (x[count - 1] - x[0]) / (float)(count - 1);
    for (int32_t m = 0; m < length; m++) {
        const int32_t at = m * down;
        const int32_t from = at - half > 0 ? (at - half + up - 1) / up : -((half - at) / up);
        float value = 0.0f;
        for (int32_t k = from, tap = at - from * up + half; tap >= 0; k++, tap -= up) {
            /* beyond the ends: along the line through the first and the last sample */
            const int inside = k >= 0 && k < count;
            value += resampling_taps[tap] * (inside ? x[k] - offset : first + slope * (float)k);
        }
        y[m] = value + offset;
    }
    return length;
}
#endif

#if RESAMPLING_LINEAR
/* Sample k of the result stands at time k / target. */
static int32_t resample(const ecg_workspace *workspace, const float *x, int32_t count, float *y) {
    const double ratio = RESAMPLING_FROM_HZ / RESAMPLING_TO_HZ;
    const double wanted = rint((double)count * RESAMPLING_TO_HZ / RESAMPLING_FROM_HZ);
    const int32_t length = wanted > 1.0 ? (int32_t)wanted : 1;
    (void)workspace;
    for (int32_t k = 0; k < length; k++) {
        double at = (double)k * ratio;
        if (at > (double)(count - 1)) at = (double)(count - 1);
        const int32_t left = (int32_t)at, right = left + 1 < count ? left + 1 : count - 1;
        y[k] = (float)((double)x[left] + ((double)x[right] - (double)x[left]) * (at - (double)left));
    }
    return length;
}
#endif

static int32_t change_rate(ecg_workspace *workspace, int32_t count) {
#if RESAMPLING_POLYPHASE || RESAMPLING_LINEAR
    const float *x = ecg_row(workspace);
    workspace->in_second ^= 1u;
    return resample(workspace, x, count, ecg_row(workspace));
#else
    (void)workspace;
    return count; /* the rate is the recipe's */
#endif
}

static int32_t pad(float *x, int32_t count) {
    const int32_t shorter = RECIPE_SAMPLES - count;
    if (shorter <= 0) return count;
    if (RECIPE_PAD_LEFT) memmove(x + shorter, x, (size_t)count * sizeof *x);
    for (int32_t t = 0; t < shorter; t++)
        x[RECIPE_PAD_LEFT ? t : count + t] = (float)RECIPE_PAD_VALUE;
    return RECIPE_SAMPLES;
}

static void z_score(float *x, int32_t count, double epsilon, double flat_below) {
    double mean = 0.0, square = 0.0;
    for (int32_t t = 0; t < count; t++) mean += (double)x[t];
    mean /= (double)count;
    for (int32_t t = 0; t < count; t++) {
        const double distance = (double)x[t] - mean;
        square += distance * distance;
    }
    const double deviation = sqrt(square / (double)count);
    const double factor = deviation < flat_below ? 0.0 : 1.0 / (deviation + epsilon);
    for (int32_t t = 0; t < count; t++) x[t] = (float)(((double)x[t] - mean) * factor);
}

static void clip(float *x, int32_t count, float limit) {
    for (int32_t t = 0; t < count; t++) {
        if (x[t] > limit) x[t] = limit;
        if (x[t] < -limit) x[t] = -limit;
    }
}

/* Zero where the nearest raw sample was missing. */
static void blank_gaps(const ecg_workspace *workspace, float *x, int32_t count, double rate) {
    for (int32_t t = 0; t < count; t++) {
        int32_t source = (int32_t)rint((double)t * (ECG_INPUT_RATE_HZ / rate));
        if (source > workspace->samples - 1) source = workspace->samples - 1;
        if (ecg_is_missing(workspace, source)) x[t] = 0.0f;
    }
}

static int32_t keep_every(float *x, int32_t count, int32_t interval) {
    int32_t kept = 0;
    for (int32_t t = 0; t < count; t += interval) x[kept++] = x[t];
    return kept;
}

ecg_status ecg_standardize(ecg_workspace *workspace, const float **standardized) {
    if (!workspace) return ECG_BAD_ARGUMENT;
    if (workspace->stage != ECG_STAGE_ASSESSED) return ECG_OUT_OF_ORDER;
    int32_t count = workspace->samples;
    double rate = ECG_INPUT_RATE_HZ;
    for (int k = 0; k < RECIPE_STEPS; k++) {
        const recipe_step *step = &recipe_steps[k];
        float *x = ecg_row(workspace);
        switch (step->kind) {
            case FILL_ZERO: break; /* missing samples are kept as 0 */
            case FILL_LINE: bridge_gaps(workspace, x, count); break;
            case RESAMPLE_LINEAR:
            case RESAMPLE_POLYPHASE:
                count = change_rate(workspace, count);
                rate = step->number;
                break;
            case FILTER: zero_phase(x, count, step->index); break;
            case KEEP_EVERY:
                count = keep_every(x, count, step->index);
                rate /= step->index;
                break;
            case Z_SCORE_WINDOW: /* of one lead, the same */
            case Z_SCORE_LEAD:
                if (RECIPE_PAD_COUNTED) count = pad(x, count);
                z_score(x, count, step->number, step->second);
                break;
            case CLIP: clip(x, count, (float)step->number); break;
            case BLANK_GAPS: blank_gaps(workspace, x, count, rate); break;
            default: return ECG_BAD_ARGUMENT; /* no such step is written into recipe.h */
        }
    }
    (void)pad(ecg_row(workspace), count);
    workspace->stage = ECG_STAGE_STANDARDIZED;
    if (standardized) *standardized = ecg_row(workspace);
    return ECG_OK;
}
