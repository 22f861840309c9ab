/* Figures of the quality gate: percentiles, flat parts, saturation, spikes, lead algebra.
 *
 * Exact: every order statistic is the sample that a full sort would give, and everything is
 * in float64 but for the spikes, which are sought in the type of the samples, as NumPy does it. No
 * contraction into fused multiply-adds, and reductions in a fixed order, so every instruction
 * set gives the same bits.
 */
#include "quality.h"

#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

/* ---- one lead ------------------------------------------------------------------------------- */

static int64_t flat_blocks(const double *x, int64_t samples, int64_t block, double amplitude) {
    double low, high;
    if (samples < block) {
        extremes(x, samples, &low, &high);
        return high - low < amplitude;
    }
    int64_t flat = 0;
    for (int64_t start = 0; start + block <= samples; start += block) {
        extremes(x + start, block, &low, &high);
        flat += high - low < amplitude;
    }
    return flat;
}

/* Samples in runs of at least `run` that stand exactly at `level`. */
static int64_t standing(const double *x, int64_t count, double level, int64_t run) {
    int64_t total = 0, i = 0;
    while (i < count) {
        if (i + LANES <= count) { /* most groups have none */
            int any = 0;
            for (int lane = 0; lane < LANES; lane++) any |= x[i + lane] == level;
            if (!any) {
                i += LANES;
                continue;
            }
        }
        if (x[i] != level) {
            i++;
            continue;
        }
        const int64_t start = i;
        while (i < count && x[i] == level) i++;
        if (i - start >= run) total += i - start;
    }
    return total;
}

/* Straight lines over the gaps, the nearest value at the ends (numpy.interp). Something is there. */
static void bridge(const double *x, int64_t samples, double *filled) {
    int64_t before = -1;
    for (int64_t i = 0; i < samples; i++) {
        if (x[i] == x[i]) {
            filled[i] = x[i];
            before = i;
            continue;
        }
        int64_t after = i + 1;
        while (after < samples && x[after] != x[after]) after++;
        if (before < 0 || after == samples) {
            const double nearest = before < 0 ? x[after] : x[before];
            for (int64_t k = i; k < after; k++) filled[k] = nearest;
        } else {
            const double slope = (x[after] - x[before]) / (double)(after - before);
            for (int64_t k = i; k < after; k++)
                filled[k] = slope * (double)(k - before) + x[before];
        }
        i = after - 1;
    }
}

#define ZERO(value) ((value) == (value) ? (value) : 0)
#define SIZE(value) ((value) < 0 ? -(value) : (value))

/* Spikes that stand out from a level surrounding on both sides, in the type of the samples. */
#define DEFINE_SPIKES(NAME, TYPE)                                                                \
    static int64_t NAME(const void *input, int64_t samples, int64_t reach, double height_limit,  \
                        double distance) {                                                       \
        const TYPE *x = input, limit = (TYPE)height_limit, fifth = (TYPE)0.2;                    \
        int64_t spikes = 0, last = -1;                                                           \
        for (int64_t start = 2 * reach; start < samples - 2 * reach; start += 16) {              \
            const int64_t end = start + 16 < samples - 2 * reach ? start + 16 : samples - 2 * reach; \
            int any = 0;                                                                         \
            for (int64_t i = start; i < end; i++) {                                              \
                const TYPE middle = ZERO(x[i]), before = ZERO(x[i - reach]),                     \
                           after = ZERO(x[i + reach]);                                           \
                const TYPE rise = middle - before, fall = middle - after;                        \
                any |= (SIZE(rise) > limit) & (SIZE(fall) > limit);                              \
            }                                                                                    \
            if (!any) continue;                                                                  \
            for (int64_t i = start; i < end; i++) {                                              \
                const TYPE middle = ZERO(x[i]), before = ZERO(x[i - reach]),                     \
                           after = ZERO(x[i + reach]);                                           \
                const TYPE rise = middle - before, fall = middle - after;                        \
                const TYPE height = SIZE(rise) < SIZE(fall) ? SIZE(rise) : SIZE(fall);           \
                const TYPE outer = before - ZERO(x[i - 2 * reach]);                              \
                const TYPE other = after - ZERO(x[i + 2 * reach]);                               \
                const TYPE level = SIZE(outer) > SIZE(other) ? SIZE(outer) : SIZE(other);        \
                if (!(rise * fall > 0 && height > limit && level < fifth * height)) continue;    \
                spikes += last < 0 || (double)(i - last) > distance;                             \
                last = i;                                                                        \
            }                                                                                    \
        }                                                                                        \
        return spikes;                                                                           \
    }

DEFINE_SPIKES(spikes_float, float)
DEFINE_SPIKES(spikes_double, double)

/* Returns 2 where there are infinities, or numbers whose distance is one. */
static int one_lead(const ecgfoundry_quality_job *job, int64_t row, double *x, double *values,
                    order_room *room) {
    const int64_t samples = job->samples, offset = row * job->row_stride;
    ecgfoundry_lead_figures *figures = &job->figures[row];
    double *filled = job->filled + row * samples;
    memset(figures, 0, sizeof *figures);
    load(job->input, job->dtype, offset, samples, filled);
    int64_t missing = 0;
    for (int64_t i = 0; i < samples; i++) missing += filled[i] != filled[i];
    figures->missing = missing;
    const int64_t count = samples - missing;
    if (count == 0) return 0;
    const double *known = filled;
    if (missing) {
        memcpy(x, filled, (size_t)samples * 8);
        for (int64_t i = 0, k = 0; i < samples; i++)
            if (x[i] == x[i]) values[k++] = x[i];
        known = values;
        bridge(x, samples, filled);
    }
    double lowest, highest;
    extremes(known, count, &lowest, &highest);
    if (!isfinite(highest - lowest)) return 2;
    if (into_bins(known, count, lowest, highest, &room->whole)) {
        figures->low = percentile(known, count, 0.005, room);
        figures->middle = median(known, count, room);
        figures->high = percentile(known, count, 0.995, room);
        figures->saturated = standing(known, count, highest, job->saturated_run) +
                             standing(known, count, lowest, job->saturated_run);
    } else {
        figures->low = figures->middle = figures->high = lowest;
    }
    figures->flat_blocks = flat_blocks(filled, samples, job->flat_block, job->flat_amplitude);
    const int64_t reach = job->spike_reach;
    if (reach == 0 || samples <= 4 * reach + 1) return 0;
    double range = figures->high - figures->low;
    if (missing) { /* gaps count as 0 here */
        for (int64_t i = 0; i < samples; i++) x[i] = ZERO(x[i]);
        extremes(x, samples, &lowest, &highest);
        range = 0.0;
        if (into_bins(x, samples, lowest, highest, &room->whole))
            range = percentile(x, samples, 0.995, room) - percentile(x, samples, 0.005, room);
    }
    const double share = job->spike_share * range;
    const double limit = share > job->spike_height ? share : job->spike_height;
    figures->spikes =
        job->dtype == 0
            ? spikes_float((const float *)job->input + offset, samples, reach, limit, job->spike_distance)
            : spikes_double((const double *)job->input + offset, samples, reach, limit, job->spike_distance);
    return 0;
}

int JOIN(ecgfoundry_quality, INSTRUCTIONS)(const ecgfoundry_quality_job *job) {
    if (job->samples < 1 || job->samples > INT32_MAX || job->flat_block < 1 || job->spike_reach < 0)
        return 2;
    order_room room;
    double *arrays[2];
    char *memory = make_room(job->samples, 2, arrays, &room);
    if (memory == NULL) return 1;
    int code = 0;
    for (int64_t row = 0; row < job->rows && code == 0; row++)
        code = one_lead(job, row, arrays[0], arrays[1], &room);
    free(memory);
    return code;
}

/* ---- limb leads ----------------------------------------------------------------------------- */

/* Gaps 0, minus the running mean; the signal is mirrored at its ends (uniform_filter1d). */
static void without_baseline(const double *x, int64_t samples, int64_t width, double *result) {
    const int64_t left = width / 2;
    double sum = 0.0;
    for (int64_t k = -left; k < width - left; k++)
        sum += x[k < 0 ? -k - 1 : k < samples ? k : 2 * samples - 1 - k];
    const double share = 1.0 / (double)width;
    result[0] = x[0] - sum * share;
    for (int64_t i = 1; i < samples; i++) {
        const int64_t in = i + width - left - 1, out = i - left - 1;
        sum += x[in < samples ? in : 2 * samples - 1 - in] - x[out < 0 ? -out - 1 : out];
        result[i] = x[i] - sum * share;
    }
}

static double together(const double *lanes) {
    double sum = 0.0;
    for (int lane = 0; lane < LANES; lane++) sum += lanes[lane];
    return sum;
}

/* Mean absolute difference over the larger mean absolute value. */
static double disagreement(const double *given, const double *wanted, int64_t samples,
                           order_room *room) {
    const double first = median_of(given, samples, room), second = median_of(wanted, samples, room);
    double apart[LANES] = {0}, one[LANES] = {0}, other[LANES] = {0};
    for (int64_t start = 0; start < samples; start += LANES) {
        const int64_t lanes = start + LANES <= samples ? LANES : samples - start;
        for (int64_t lane = 0; lane < lanes; lane++) {
            const double a = given[start + lane] - first, b = wanted[start + lane] - second;
            apart[lane] += fabs(a - b);
            one[lane] += fabs(a);
            other[lane] += fabs(b);
        }
    }
    const double count = (double)samples;
    const double a = together(one) / count, b = together(other) / count;
    double scale = a > b ? a : b;
    scale = scale > 1e-9 ? scale : 1e-9;
    return together(apart) / count / scale;
}

/* 0: done; 1: no memory; 2: too short for the running mean, or numbers that are too large. */
int JOIN(ecgfoundry_limb, INSTRUCTIONS)(const ecgfoundry_limb_job *job) {
    const int64_t samples = job->samples;
    if (samples < 1 || samples > INT32_MAX || job->width < 1 || job->width > samples) return 2;
    order_room room;
    double *arrays[4];
    char *memory = make_room(samples, 4, arrays, &room);
    if (memory == NULL) return 1;
    double *raw = arrays[3];
    int code = 0;
    for (int64_t k = 0; k < 2 + job->compared && code == 0; k++) {
        double *steep = arrays[k < 2 ? k : 2], low, high;
        load(job->input, job->dtype, job->row[k] * job->row_stride, samples, raw);
        for (int64_t i = 0; i < samples; i++) raw[i] = ZERO(raw[i]);
        extremes(raw, samples, &low, &high);
        if (!(low > -1e30 && high < 1e30)) {
            code = 2;
            break;
        }
        without_baseline(raw, samples, job->width, steep);
        if (k < 2) continue;
        const double a = job->coefficient[2 * (k - 2)], b = job->coefficient[2 * (k - 2) + 1];
        for (int64_t i = 0; i < samples; i++) raw[i] = (float)(a * arrays[0][i] + b * arrays[1][i]);
        job->result[k - 2] = disagreement(steep, raw, samples, &room);
    }
    free(memory);
    return code;
}
