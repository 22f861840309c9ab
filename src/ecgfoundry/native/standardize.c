/* Standardization of ECG windows: zero-phase filters, running median, z-score.
 *
 * Plain C99 with the vector extensions of GCC and Clang; no Python. The file is compiled once per
 * instruction set (see build.py) with -DINSTRUCTIONS=name, and dispatch.c chooses at run time.
 *
 * Rows (leads) stand side by side in SIMD lanes, so every lane does exactly the arithmetic that one
 * row alone would do, in float64 and without contraction into fused multiply-adds. A window's
 * result therefore does not depend on the batch it stands in, on the number of threads, or on
 * the instruction set.
 */
#include "standardize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define ENTRY JOIN(ecgfoundry_standardize, INSTRUCTIONS)
#define INLINE static inline __attribute__((always_inline))

#define LANES 16 /* rows of one block */
#define MARGIN 64 /* samples of room on each side of a row for the odd extension */

#if defined(__AVX512F__)
#define WIDTH 8
#elif defined(__AVX__)
#define WIDTH 4
#else
#define WIDTH 2
#endif
typedef double vec __attribute__((vector_size(WIDTH * 8)));

/* ---- zero-phase filters ------------------------------------------------------------------- */

INLINE vec splat(double value) {
    vec result;
    for (int k = 0; k < WIDTH; k++) result[k] = value;
    return result;
}

/* One pass of sections (1 - z^-2) / (1 + a1 z^-1 + a2 z^-2), in place, over 2 * WIDTH lanes. The
 * states start where a constant input equal to the first sample has left them: such an input gives
 * 0 after the first section. */
INLINE void band_pass(double *data, int64_t count, int64_t step, int sections,
                      const ecgfoundry_filter *filter) {
    vec s1[ECGFOUNDRY_SECTIONS][2], s2[ECGFOUNDRY_SECTIONS][2];
    vec a1[ECGFOUNDRY_SECTIONS], a2[ECGFOUNDRY_SECTIONS];
    const vec gain = splat(filter->gain);
    for (int k = 0; k < sections; k++) {
        a1[k] = splat(filter->section[k][4]);
        a2[k] = splat(filter->section[k][5]);
        for (int half = 0; half < 2; half++) {
            vec first = k == 0 ? gain * *(vec *)(data + half * WIDTH) : splat(0.0);
            s1[k][half] = first;
            s2[k][half] = first;
        }
    }
    for (int64_t i = 0; i < count; i++, data += step)
        for (int half = 0; half < 2; half++) {
            vec x = gain * *(vec *)(data + half * WIDTH);
            for (int k = 0; k < sections; k++) {
                vec y = x - s1[k][half];
                s1[k][half] = a1[k] * y + s2[k][half];
                s2[k][half] = x + a2[k] * y;
                x = y;
            }
            *(vec *)(data + half * WIDTH) = x;
        }
}

/* One pass of one general section (transposed direct form II). */
INLINE void general(double *data, int64_t count, int64_t step, const double *c) {
    const vec b0 = splat(c[0]), b1 = splat(c[1]), b2 = splat(c[2]);
    const vec a1 = splat(c[4]), a2 = splat(c[5]);
    const double steady = (c[0] + c[1] + c[2]) / (1.0 + c[4] + c[5]);
    vec s1[2], s2[2];
    for (int half = 0; half < 2; half++) {
        vec first = *(vec *)(data + half * WIDTH);
        s1[half] = splat(steady - c[0]) * first;
        s2[half] = splat(c[2] - c[5] * steady) * first;
    }
    for (int64_t i = 0; i < count; i++, data += step)
        for (int half = 0; half < 2; half++) {
            vec x = *(vec *)(data + half * WIDTH);
            vec y = b0 * x + s1[half];
            s1[half] = (b1 * x - a1 * y) + s2[half];
            s2[half] = b2 * x - a2 * y;
            *(vec *)(data + half * WIDTH) = y;
        }
}

static void one_pass(double *data, int64_t count, int64_t step, const ecgfoundry_filter *filter) {
    if (filter->kind == ECGFOUNDRY_BAND_PASS)
        switch (filter->sections) {
            case 1: band_pass(data, count, step, 1, filter); return;
            case 2: band_pass(data, count, step, 2, filter); return;
            case 3: band_pass(data, count, step, 3, filter); return;
            default: band_pass(data, count, step, 4, filter); return;
        }
    for (int k = 0; k < filter->sections; k++) general(data, count, step, filter->section[k]);
}

/* Forwards and backwards over the odd extension, as scipy.signal.filtfilt does it. */
static void zero_phase(double *block, int64_t samples, int64_t lanes,
                       const ecgfoundry_filter *filter) {
    const int64_t pad = filter->pad;
    for (int64_t k = 1; k <= pad; k++)
        for (int lane = 0; lane < LANES; lane++) {
            block[-k * LANES + lane] = 2.0 * block[lane] - block[k * LANES + lane];
            block[(samples - 1 + k) * LANES + lane] =
                2.0 * block[(samples - 1) * LANES + lane] - block[(samples - 1 - k) * LANES + lane];
        }
    const int64_t count = samples + 2 * pad;
    for (int64_t lane = 0; lane < lanes; lane += 2 * WIDTH) {
        one_pass(block + lane - pad * LANES, count, LANES, filter);
        one_pass(block + lane + (samples - 1 + pad) * LANES, count, -LANES, filter);
    }
}

/* ---- running median ----------------------------------------------------------------------- */

#define DIGIT 11
#define BINS (1 << DIGIT)
#define SEGMENTS 4 /* parts of a row that move together, for the latency of one step */

typedef struct {
    double *padded, *sorted;
    uint32_t *keys, *pairs;
    uint16_t *order, *rank, *spare;
    uint64_t *bits, *wide;
    int64_t bits_words;
} median_room;

/* Order of the values, exact and stable, whatever they are: LSD radix sort of all 64 bits. */
static void sort_exactly(const double *x, int64_t count, median_room *room) {
    uint16_t *from = room->order, *to = room->spare;
    for (int64_t i = 0; i < count; i++) {
        double value = x[i] + 0.0; /* -0 and 0 are one value */
        uint64_t word;
        memcpy(&word, &value, 8);
        room->wide[i] = word ^ ((word >> 63) ? ~(uint64_t)0 : (uint64_t)1 << 63);
        from[i] = (uint16_t)i;
    }
    for (int shift = 0; shift < 64; shift += 8) {
        uint32_t start[257] = {0};
        for (int64_t i = 0; i < count; i++) start[((room->wide[i] >> shift) & 255) + 1]++;
        for (int k = 0; k < 256; k++) start[k + 1] += start[k];
        for (int64_t i = 0; i < count; i++)
            to[start[(room->wide[from[i]] >> shift) & 255]++] = from[i];
        uint16_t *swap = from;
        from = to;
        to = swap;
    }
    /* Eight passes: the result stands in room->order again. */
}

/* Order of the values: radix sort of 22 bits over their range, then insertions where two values
 * share these bits. Values that crowd (a lead that is flat but for one spike) are sorted fully. */
static void sort_rows(const double *x, int64_t count, double low, double high, median_room *room) {
    uint32_t digits[2][BINS];
    memset(digits, 0, sizeof digits);
    const double scale = (double)((1 << (2 * DIGIT)) - 1) / (high - low);
    uint32_t *const keys = room->keys;
    for (int64_t i = 0; i < count; i++) {
        int32_t key = (int32_t)((x[i] - low) * scale);
        keys[i] = (uint32_t)key;
    }
    /* Neighbours share digits, and adding to one counter again and again is slow: four quarters in
     * turn. The order of equal keys does not matter, since insertions follow. */
    const int64_t quarter = count / 4;
    for (int64_t i = 0; i < quarter; i++)
        for (int part = 0; part < 4; part++) {
            const uint32_t key = keys[part * quarter + i];
            digits[0][key & (BINS - 1)]++;
            digits[1][key >> DIGIT]++;
        }
    for (int64_t i = 4 * quarter; i < count; i++) {
        digits[0][keys[i] & (BINS - 1)]++;
        digits[1][keys[i] >> DIGIT]++;
    }
    uint32_t first = 0, second = 0;
    for (int k = 0; k < BINS; k++) {
        uint32_t one = digits[0][k], two = digits[1][k];
        digits[0][k] = first;
        digits[1][k] = second;
        first += one;
        second += two;
    }
    uint32_t *const pairs = room->pairs;
    for (int64_t i = 0; i < quarter; i++)
        for (int part = 0; part < 4; part++) {
            const int64_t index = part * quarter + i;
            const uint32_t key = keys[index];
            pairs[digits[0][key & (BINS - 1)]++] = ((key >> DIGIT) << 16) | (uint32_t)index;
        }
    for (int64_t i = 4 * quarter; i < count; i++) {
        const uint32_t key = keys[i];
        pairs[digits[0][key & (BINS - 1)]++] = ((key >> DIGIT) << 16) | (uint32_t)i;
    }
    for (int64_t i = 0; i < count; i++) {
        const uint32_t pair = pairs[i];
        room->order[digits[1][pair >> 16]++] = (uint16_t)pair;
    }
    int64_t moves = 0;
    uint16_t *const order = room->order;
    double *const sorted = room->sorted;
    for (int64_t i = 0; i < count; i++) sorted[i] = x[order[i]];
    for (int64_t i = 1; i < count; i++) {
        if (!(sorted[i - 1] > sorted[i])) continue;
        const double value = sorted[i];
        const uint16_t index = order[i];
        int64_t k = i;
        while (k > 0 && sorted[k - 1] > value) {
            sorted[k] = sorted[k - 1];
            order[k] = order[k - 1];
            k--;
        }
        sorted[k] = value;
        order[k] = index;
        moves += i - k;
        if (moves > 8 * count) {
            sort_exactly(x, count, room);
            for (int64_t j = 0; j < count; j++) sorted[j] = x[order[j]];
            return;
        }
    }
}

/* The first set bit at or after position. Two words are looked at without a branch: the outcome of
 * the search is as good as random, and a wrong guess of the processor would cost more. */
INLINE int32_t next_bit(const uint64_t *words, int32_t position) {
    int32_t at = position >> 6;
    uint64_t here = words[at] & (~(uint64_t)0 << (position & 63)), beyond = words[at + 1];
    if (__builtin_expect((here | beyond) == 0, 0)) {
        at += 2;
        while (words[at] == 0) at++;
        return at * 64 + __builtin_ctzll(words[at]);
    }
    const uint64_t empty = (uint64_t)0 - (uint64_t)(here == 0);
    return (at - (int32_t)empty) * 64 + __builtin_ctzll(here | (beyond & empty));
}

/* The last set bit at or before position. */
INLINE int32_t previous_bit(const uint64_t *words, int32_t position) {
    int32_t at = position >> 6;
    uint64_t here = words[at] & (~(uint64_t)0 >> (63 - (position & 63))), beyond = words[at - 1];
    if (__builtin_expect((here | beyond) == 0, 0)) {
        at -= 2;
        while (words[at] == 0) at--;
        return at * 64 + 63 - __builtin_clzll(words[at]);
    }
    const uint64_t empty = (uint64_t)0 - (uint64_t)(here == 0);
    return (at + (int32_t)empty) * 64 + 63 - __builtin_clzll(here | (beyond & empty));
}

/* Let the window of one segment go on by one sample: the new rank of its median. The member itself
 * stays the median, or the one before or behind it becomes it; all are looked up, so that there is
 * nothing to predict. Words, not bytes, are written, so that the next read finds them at once. */
INLINE int32_t move_on(uint64_t *words, int32_t at, uint32_t leaving, uint32_t entering) {
    words[leaving >> 6] &= ~((uint64_t)1 << (leaving & 63));
    words[entering >> 6] |= (uint64_t)1 << (entering & 63);
    const int32_t shift = ((int32_t)entering < at) - ((int32_t)leaving < at);
    const int32_t up = next_bit(words, at + (shift < 0));
    const int32_t down = previous_bit(words, at - 1);
    const int32_t back = -(int32_t)(shift > 0);
    return (down & back) | (up & ~back);
}

/* x (samples) minus its running median of 2 * half + 1 samples, with zeros beyond the ends. All
 * samples are ranked once; a window is a set of ranks, kept as bits, in which the median moves by at
 * most one member per step. */
static void subtract_median(const double *x, int64_t samples, int64_t half, median_room *room,
                            double *y) {
    const int64_t count = samples + 2 * half;
    double low = 0.0, high = 0.0, total = 0.0;
    double *padded = room->padded;
    memset(padded, 0, (size_t)half * 8);
    memset(padded + half + samples, 0, (size_t)half * 8);
    for (int64_t i = 0; i < samples; i++) {
        const double value = x[i];
        low = value < low ? value : low;
        high = value > high ? value : high;
        total += value - value; /* NaN if any value is not finite */
        padded[half + i] = value;
    }
    if (total != 0.0 || !(high - low < 1e300)) {
        for (int64_t i = 0; i < samples; i++) y[i] = (double)NAN;
        return;
    }
    if (!(high - low > 1e-290)) { /* all zeros, as far as a scale can be computed */
        memcpy(y, x, (size_t)samples * 8);
        return;
    }
    sort_rows(padded, count, low, high, room);
    uint16_t *const rank = room->rank;
    for (int64_t i = 0; i < count; i++) rank[room->order[i]] = (uint16_t)i;
    const double *const sorted = room->sorted;

    const int64_t length = samples / SEGMENTS, window = 2 * half + 1;
    uint64_t *words[SEGMENTS];
    int32_t at[SEGMENTS];
    memset(room->bits, 0, (size_t)(SEGMENTS * room->bits_words * 8));
    for (int part = 0; part < SEGMENTS; part++) {
        uint64_t *set = words[part] = room->bits + part * room->bits_words + 2;
        const int64_t start = part * length;
        for (int64_t i = 0; i < window; i++) {
            const uint32_t bit = rank[start + i];
            set[bit >> 6] |= (uint64_t)1 << (bit & 63);
        }
        at[part] = next_bit(set, 0);
        for (int64_t i = 0; i < half; i++) at[part] = next_bit(set, at[part] + 1);
        y[start] = x[start] - sorted[at[part]];
    }
    int32_t at0 = at[0], at1 = at[1], at2 = at[2], at3 = at[3];
    for (int64_t t = 1; t < length; t++) {
        const int64_t t1 = length + t, t2 = t1 + length, t3 = t2 + length;
        at0 = move_on(words[0], at0, rank[t - 1], rank[t - 1 + window]);
        at1 = move_on(words[1], at1, rank[t1 - 1], rank[t1 - 1 + window]);
        at2 = move_on(words[2], at2, rank[t2 - 1], rank[t2 - 1 + window]);
        at3 = move_on(words[3], at3, rank[t3 - 1], rank[t3 - 1 + window]);
        y[t] = x[t] - sorted[at0];
        y[t1] = x[t1] - sorted[at1];
        y[t2] = x[t2] - sorted[at2];
        y[t3] = x[t3] - sorted[at3];
    }
    /* Of fewer samples than segments each window stands at the first sample, which is done. */
    for (int64_t t = length > 0 ? SEGMENTS * length : 1; t < samples; t++) {
        at3 = move_on(words[3], at3, rank[t - 1], rank[t - 1 + window]);
        y[t] = x[t] - sorted[at3];
    }
}

/* ---- one window after the other ------------------------------------------------------------ */

INLINE double sample_at(const void *input, int32_t dtype, double gain, int64_t index) {
    switch (dtype) {
        case ECGFOUNDRY_FLOAT32: return ((const float *)input)[index];
        case ECGFOUNDRY_FLOAT64: return ((const double *)input)[index];
        default: return (double)(float)((double)((const int16_t *)input)[index] * gain);
    }
}

/* One row into one lane, with gaps as 0, at the recipe's rate and rounded to float32 as
 * signals.resampling does it. Returns 0 if every sample is missing. */
INLINE int load_row(const ecgfoundry_job *job, int32_t dtype, int64_t offset, double *lane) {
    int64_t missing = 0;
    const int64_t samples = job->samples;
    if (job->left == NULL) {
        for (int64_t t = 0; t < samples; t++) {
            double value = sample_at(job->input, dtype, job->gain, offset + t);
            const int gap = value != value;
            missing += gap;
            lane[t * LANES] = gap ? 0.0 : (double)(float)value;
        }
        return missing < samples;
    }
    for (int64_t t = 0; t < samples; t++) {
        const double value = sample_at(job->input, dtype, job->gain, offset + t);
        missing += value != value;
    }
    for (int64_t t = 0; t < job->working; t++) {
        const int64_t left = job->left[t];
        const double fraction = job->fraction[t];
        double low = sample_at(job->input, dtype, job->gain, offset + left);
        double high = low;
        if (fraction != 0.0) {
            const int64_t right = left + 1 < samples ? left + 1 : samples - 1;
            high = sample_at(job->input, dtype, job->gain, offset + right);
        }
        low = low != low ? 0.0 : low;
        high = high != high ? 0.0 : high;
        lane[t * LANES] = (double)(float)(low + (high - low) * fraction);
    }
    return missing < samples;
}

static int load_any(const ecgfoundry_job *job, int64_t offset, double *lane) {
    switch (job->dtype) {
        case ECGFOUNDRY_FLOAT32: return load_row(job, ECGFOUNDRY_FLOAT32, offset, lane);
        case ECGFOUNDRY_FLOAT64: return load_row(job, ECGFOUNDRY_FLOAT64, offset, lane);
        default: return load_row(job, ECGFOUNDRY_INT16, offset, lane);
    }
}

typedef struct {
    double mean, squares; /* of one row: mean, and sum of squared distances from it */
    int32_t present;
} row_figures;

/* Eight sums side by side, added in a fixed order: quick, and the same on every instruction set. */
static void measure(const double *x, int64_t count, row_figures *figures) {
    double part[8] = {0};
    int64_t t = 0;
    for (; t + 8 <= count; t += 8)
        for (int k = 0; k < 8; k++) part[k] += x[t + k];
    for (; t < count; t++) part[0] += x[t];
    const double total = ((part[0] + part[1]) + (part[2] + part[3])) +
                         ((part[4] + part[5]) + (part[6] + part[7]));
    const double mean = total / (double)count;
    memset(part, 0, sizeof part);
    for (t = 0; t + 8 <= count; t += 8)
        for (int k = 0; k < 8; k++) part[k] += (x[t + k] - mean) * (x[t + k] - mean);
    for (; t < count; t++) part[0] += (x[t] - mean) * (x[t] - mean);
    figures->mean = mean;
    figures->squares = ((part[0] + part[1]) + (part[2] + part[3])) +
                       ((part[4] + part[5]) + (part[6] + part[7]));
}

static void scale_row(float *out, int64_t count, double mean, double factor, double clip) {
    for (int64_t t = 0; t < count; t++) out[t] = (float)(((double)out[t] - mean) * factor);
    if (clip > 0.0)
        for (int64_t t = 0; t < count; t++) {
            const float value = out[t];
            out[t] = value > (float)clip ? (float)clip : value < -(float)clip ? -(float)clip : value;
        }
}

static void finish_window(const ecgfoundry_job *job, int64_t window, const row_figures *figures) {
    const int64_t kept = (job->working + job->decimation - 1) / job->decimation;
    const int64_t filled = kept < job->output_samples ? kept : job->output_samples;
    double count = 0.0, mean = 0.0, squares = 0.0;
    for (int64_t lead = 0; lead < job->leads; lead++)
        if (figures[lead].present) { /* two sets of numbers joined: Chan, Golub, LeVeque 1979 */
            const double added = (double)kept, together = count + added;
            const double distance = figures[lead].mean - mean;
            mean += distance * (added / together);
            squares += figures[lead].squares + distance * distance * (count * added / together);
            count = together;
        }
    double deviation = sqrt(squares / count);
    double padding = 0.0;
    if (job->scaling == ECGFOUNDRY_JOINT_PADDED && kept < job->output_samples) {
        const double leads = count / (double)kept;
        const double zeros = leads * (double)(job->output_samples - kept);
        const double together = count + zeros;
        squares += mean * mean * (count * zeros / together);
        mean *= count / together;
        deviation = sqrt(squares / together);
        padding = (0.0 - mean) * (1.0 / (deviation + job->epsilon));
    }
    for (int64_t lead = 0; lead < job->leads; lead++) {
        float *out = job->output + (window * job->leads + lead) * job->output_samples;
        if (!figures[lead].present) {
            for (int64_t t = 0; t < job->output_samples; t++) out[t] = NAN;
            continue;
        }
        double centre = mean, factor = 1.0 / (deviation + job->epsilon);
        if (job->scaling == ECGFOUNDRY_EACH) {
            const double own = sqrt(figures[lead].squares / (double)kept);
            centre = figures[lead].mean;
            factor = own < job->epsilon ? 0.0 : 1.0 / own;
        }
        scale_row(out, filled, centre, factor, job->clip);
        for (int64_t t = filled; t < job->output_samples; t++) out[t] = (float)padding;
    }
}

/* From the lanes of a block to the rows of the output; not yet scaled. */
static void unload_rows(const ecgfoundry_job *job, const double *block, int64_t lanes,
                        const int64_t *rows, median_room *room, double *row, double *result,
                        row_figures *figures, int64_t first_row) {
    const int64_t working = job->working, stride = working + 8;
    for (int64_t t = 0; t < working; t += 8) { /* tiles of 8 x LANES stay in the first cache */
        const int64_t end = t + 8 < working ? t + 8 : working;
        for (int64_t lane = 0; lane < lanes; lane++)
            for (int64_t u = t; u < end; u++) row[lane * stride + u] = block[u * LANES + lane];
    }
    for (int64_t lane = 0; lane < lanes; lane++) {
        const double *x = row + lane * stride;
        if (job->median_half > 0) {
            subtract_median(x, working, job->median_half, room, result);
            x = result;
        }
        int64_t kept = working;
        if (job->decimation > 1) {
            kept = (working + job->decimation - 1) / job->decimation;
            for (int64_t t = 0; t < kept; t++) result[t] = x[t * job->decimation];
            x = result;
        }
        measure(x, kept, &figures[rows[lane] - first_row]);
        float *out = job->output + rows[lane] * job->output_samples;
        const int64_t filled = kept < job->output_samples ? kept : job->output_samples;
        for (int64_t t = 0; t < filled; t++) out[t] = (float)x[t];
    }
}

int ENTRY(const ecgfoundry_job *job) {
    const int64_t working = job->working, count = working + 2 * job->median_half;
    const int64_t rows_total = job->windows * job->leads;
    if (working < 1 || count > 65535 || job->samples < 1 || job->decimation < 1) return 2;
    for (int k = 0; k < job->filter_count; k++)
        if (job->filters[k].pad >= working || job->filters[k].pad > MARGIN ||
            job->filters[k].sections < 1 || job->filters[k].sections > ECGFOUNDRY_SECTIONS)
            return 2;
    median_room room;
    memset(&room, 0, sizeof room);
    room.bits_words = (count + 63) / 64 + 4; /* two empty ones on each side */
    const int64_t sizes[] = {
        (working + 2 * MARGIN) * LANES * 8, /* block */
        (working + 8) * LANES * 8,          /* rows of a block */
        working * 8,                        /* one result */
        count * 8, count * 8, count * 8,    /* padded, sorted, wide */
        count * 4, count * 4,               /* keys, pairs */
        count * 2, count * 2, count * 2,    /* order, rank, spare */
        SEGMENTS * room.bits_words * 8,     /* bits */
        rows_total * (int64_t)sizeof(row_figures),
    };
    enum { PARTS = sizeof sizes / sizeof sizes[0] };
    int64_t total = 64, at[PARTS];
    for (int k = 0; k < PARTS; k++) {
        at[k] = total;
        total += (sizes[k] + 127) / 64 * 64;
    }
    char *memory = malloc((size_t)total);
    if (memory == NULL) return 1;
    char *aligned = memory + (64 - (uintptr_t)memory % 64) % 64;
    aligned -= 64; /* at[] starts at 64 */
    double *block = (double *)(aligned + at[0]) + MARGIN * LANES;
    double *row = (double *)(aligned + at[1]), *result = (double *)(aligned + at[2]);
    room.padded = (double *)(aligned + at[3]);
    room.sorted = (double *)(aligned + at[4]);
    room.wide = (uint64_t *)(aligned + at[5]);
    room.keys = (uint32_t *)(aligned + at[6]);
    room.pairs = (uint32_t *)(aligned + at[7]);
    room.order = (uint16_t *)(aligned + at[8]);
    room.rank = (uint16_t *)(aligned + at[9]);
    room.spare = (uint16_t *)(aligned + at[10]);
    room.bits = (uint64_t *)(aligned + at[11]);
    row_figures *figures = (row_figures *)(aligned + at[12]);
    memset(block - MARGIN * LANES, 0, (size_t)sizes[0]);

    int64_t rows[LANES], lanes = 0;
    for (int64_t next = 0; next < rows_total || lanes > 0;) {
        while (next < rows_total && lanes < LANES) {
            const int64_t window = next / job->leads, lead = next % job->leads;
            const int64_t offset = job->starts[window] + lead * job->lead_stride;
            figures[next].present = load_any(job, offset, block + lanes);
            if (figures[next].present) rows[lanes++] = next;
            next++;
        }
        if (lanes == 0) break;
        for (int k = 0; k < job->filter_count; k++) zero_phase(block, working, lanes, &job->filters[k]);
        unload_rows(job, block, lanes, rows, &room, row, result, figures, 0);
        lanes = 0;
    }
    for (int64_t window = 0; window < job->windows; window++)
        finish_window(job, window, figures + window * job->leads);
    free(memory);
    return 0;
}
