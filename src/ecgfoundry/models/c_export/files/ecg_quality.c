/* SPDX-License-Identifier: Apache-2.0 */
/* Can this window be read as an ECG? Refusals, and the warnings that need no spectrum. */
#include "ecg_internal.h"

#include <string.h>

ECG_ASSERT(ECG_INPUT_SAMPLES < 65536 && ECG_ROW_SECOND < 65536, counts_fit_16_bits);

/* Floats as integers of the same order. */
static uint32_t key_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x80000000u) ? ~bits : (bits | 0x80000000u);
}

static float value_of(uint32_t key) {
    const uint32_t bits = (key & 0x80000000u) ? (key & 0x7fffffffu) : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Digit by digit of 256: how many samples have the digits found so far, and which next? */
float ecg_ranked(const ecg_workspace *workspace, const float *x, int32_t count, int32_t rank,
                 int present) {
    uint32_t found = 0, mask = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint16_t counts[256] = {0};
        for (int32_t t = 0; t < count; t++) {
            const uint32_t key = key_of(x[t]);
            if (present && ecg_is_missing(workspace, t)) continue;
            if ((key & mask) == found) counts[(key >> shift) & 255u]++;
        }
        uint32_t digit = 0;
        while (digit < 255u && rank >= (int32_t)counts[digit]) {
            rank -= (int32_t)counts[digit];
            digit++;
        }
        found |= digit << shift;
        mask |= (uint32_t)255u << shift;
    }
    return value_of(found);
}

/* As numpy.percentile: between the two nearest samples. */
static double percentile(const ecg_workspace *workspace, const float *x, int32_t count,
                         int32_t there, double share) {
    const double place = share * (double)(there - 1);
    const int32_t lower = (int32_t)place;
    const int32_t upper = lower + 1 < there ? lower + 1 : there - 1;
    const double low = (double)ecg_ranked(workspace, x, count, lower, 1);
    const double high = (double)ecg_ranked(workspace, x, count, upper, 1);
    return low + (high - low) * (place - (double)lower);
}

/* Blocks of a second without a deflection; gaps count as the line between their neighbours. */
static double flat_share(const ecg_workspace *workspace, const float *x, int32_t count) {
    const int32_t blocks = count / ECG_FLAT_BLOCK;
    int32_t flat = 0, last = -1, next = -1;
    double low = 0.0, high = 0.0;
    for (int32_t t = 0; t < blocks * ECG_FLAT_BLOCK; t++) {
        double value = (double)x[t];
        if (!ecg_is_missing(workspace, t)) {
            last = t;
        } else {
            if (next <= t)
                for (next = t + 1; next < count && ecg_is_missing(workspace, next);) next++;
            if (last < 0) value = (double)x[next];
            else if (next == count) value = (double)x[last];
            else
                value = (double)x[last] + ((double)x[next] - (double)x[last]) *
                                              (double)(t - last) / (double)(next - last);
        }
        if (t % ECG_FLAT_BLOCK == 0) low = high = value;
        if (value < low) low = value;
        if (value > high) high = value;
        if (t % ECG_FLAT_BLOCK == ECG_FLAT_BLOCK - 1 && high - low < ECG_FLAT_MV) flat++;
    }
    return (double)flat / (double)(blocks > 0 ? blocks : 1);
}

/* Samples that stand, several in a row, exactly at the highest or the lowest value. */
static int32_t saturated(const ecg_workspace *workspace, const float *x, int32_t count, float low,
                         float high) {
    int32_t total = 0;
    if (!(low < high)) return 0;
    for (int side = 0; side < 2; side++) {
        const float extreme = side ? high : low;
        int32_t run = 0;
        for (int32_t t = 0; t <= count; t++) {
            if (t < count && ecg_is_missing(workspace, t)) continue;
            if (t < count && !(x[t] < extreme) && !(x[t] > extreme)) {
                run++;
                continue;
            }
            if (run >= ECG_SATURATED_RUN) total += run;
            run = 0;
        }
    }
    return total;
}

static uint32_t find_warnings(const ecg_workspace *workspace, const float *x, int32_t count,
                              int32_t there, double low, double high) {
    const float lowest = ecg_ranked(workspace, x, count, 0, 1);
    const float highest = ecg_ranked(workspace, x, count, there - 1, 1);
    const double middle = percentile(workspace, x, count, there, 0.5);
    const double stuck = (double)saturated(workspace, x, count, lowest, highest);
    uint32_t found = 0;
    if (there < count) found |= ECG_WARNING_GAPS;
    if (flat_share(workspace, x, count) > ECG_FLAT_SHARE) found |= ECG_WARNING_FLAT_PARTS;
    if (stuck / (double)there > ECG_SATURATED_SHARE) found |= ECG_WARNING_SATURATION;
    if (high - low > ECG_LARGE_MV) found |= ECG_WARNING_AMPLITUDE_IMPLAUSIBLE;
    if (high - low < ECG_LOW_MV) found |= ECG_WARNING_LOW_AMPLITUDE;
    if (middle - low > 2.0 * (high - middle)) found |= ECG_WARNING_POINTS_DOWN;
    return found;
}

ecg_status ecg_assess(ecg_workspace *workspace, uint32_t *warnings) {
    if (!workspace || !warnings) return ECG_BAD_ARGUMENT;
    if (workspace->stage != ECG_STAGE_FILLING) return ECG_OUT_OF_ORDER;
    const float *x = ecg_row(workspace);
    const int32_t count = workspace->samples;
    int32_t there = 0;
    *warnings = 0;
    for (int32_t t = 0; t < count; t++) there += !ecg_is_missing(workspace, t);
    if (there == 0) return ECG_REFUSED_MISSING;
    if (count < ECG_FEWEST_SAMPLES) return ECG_REFUSED_TOO_SHORT;
    if ((double)(count - there) / (double)count > ECG_MOST_MISSING) return ECG_REFUSED_MISSING;
    const double low = percentile(workspace, x, count, there, 0.005);
    const double high = percentile(workspace, x, count, there, 0.995);
    if (high - low < ECG_FLAT_MV) return ECG_REFUSED_FLAT;
    *warnings = find_warnings(workspace, x, count, there, low, high);
    workspace->stage = ECG_STAGE_ASSESSED;
    return ECG_OK;
}
