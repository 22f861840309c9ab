/* Filters and medians of many rows at once, with the operations of SciPy and NumPy in their order.
 *
 * Rows, or columns, stand side by side in SIMD lanes; nothing is summed across them, and nothing is
 * contracted into fused multiply-adds. So every instruction set gives the same bits, and a row alone
 * those that it has among others.
 */
#include "filters.h"

#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

#define INLINE static inline __attribute__((always_inline))

/* ---- second-order sections, forwards and backwards ------------------------------------------- */

#ifdef __AVX512F__
#define LANES 16 /* two registers: while one waits for its sums the other is at work */
#else
#define LANES 8 /* more do not fit into the registers */
#endif
#define MOST_SECTIONS 4

/* Filter x, (count, lanes), in place from `from` on in steps of one row forwards or backwards. */
INLINE void pass(const double *section, const double *steady, const int sections, const int lanes,
                 double *x, int64_t count, int64_t step) {
    double state[MOST_SECTIONS][2][LANES];
    for (int s = 0; s < sections; s++)
        for (int k = 0; k < 2; k++)
            for (int lane = 0; lane < lanes; lane++)
                state[s][k][lane] = steady[2 * s + k] * x[lane];
    for (int64_t i = 0; i < count; i++, x += step)
        for (int s = 0; s < sections; s++) {
            const double *c = section + 6 * s;
            for (int lane = 0; lane < lanes; lane++) {
                const double in = x[lane];
                const double out = c[0] * in + state[s][0][lane];
                state[s][0][lane] = c[1] * in - c[4] * out + state[s][1][lane];
                state[s][1][lane] = c[2] * in - c[5] * out;
                x[lane] = out;
            }
        }
}

INLINE void both_ways(const ecgfoundry_sections_job *job, const int sections, const int lanes,
                      int64_t row, double *room) {
    const int64_t samples = job->samples, pad = job->pad, count = samples + 2 * pad;
    const int used = row + lanes <= job->rows ? lanes : (int)(job->rows - row);
    if (used < lanes) memset(room, 0, (size_t)(count * lanes) * sizeof *room);
    for (int lane = 0; lane < used; lane++) {
        const double *x = job->input + (row + lane) * samples;
        double *to = room + lane;
        for (int64_t i = 0; i < pad; i++) to[i * lanes] = 2.0 * x[0] - x[pad - i];
        for (int64_t i = 0; i < samples; i++) to[(pad + i) * lanes] = x[i];
        for (int64_t i = 0; i < pad; i++)
            to[(pad + samples + i) * lanes] = 2.0 * x[samples - 1] - x[samples - 2 - i];
    }
    pass(job->section, job->steady, sections, lanes, room, count, lanes);
    pass(job->section, job->steady, sections, lanes, room + (count - 1) * lanes, count, -lanes);
    for (int lane = 0; lane < used; lane++) {
        double *to = job->output + (row + lane) * samples;
        for (int64_t i = 0; i < samples; i++) to[i] = room[(pad + i) * lanes + lane];
    }
}

#define BOTH_WAYS(LANES_AT_ONCE)                                                  \
    switch (job->sections) {                                                      \
        case 1: both_ways(job, 1, LANES_AT_ONCE, row, room); break;               \
        case 2: both_ways(job, 2, LANES_AT_ONCE, row, room); break;               \
        case 3: both_ways(job, 3, LANES_AT_ONCE, row, room); break;               \
        default: both_ways(job, 4, LANES_AT_ONCE, row, room);                     \
    }

/* 0: done; 1: no memory; 2: too many sections, or the ends are longer than the row. */
int JOIN(ecgfoundry_sections, INSTRUCTIONS)(const ecgfoundry_sections_job *job) {
    if (job->sections < 1 || job->sections > MOST_SECTIONS || job->pad < 0 ||
        job->samples <= job->pad)
        return 2;
    const int64_t count = job->samples + 2 * job->pad;
    double *room = malloc((size_t)count * (job->rows < 2 ? 1 : LANES) * sizeof(double));
    if (room == NULL) return 1;
    int64_t row = 0;
    for (; job->rows - row > LANES / 2; row += LANES) BOTH_WAYS(LANES)
    for (; job->rows - row > 4; row += 8) BOTH_WAYS(8)
    for (; job->rows - row > 1; row += 4) BOTH_WAYS(4)
    for (; row < job->rows; row++) BOTH_WAYS(1)
    free(room);
    return 0;
}

/* ---- short symmetric correlations ------------------------------------------------------------ */

#define BLOCK 64

/* The middle weight first, then pairs from the outside in: SciPy's order. */
INLINE void correlate(const double *x, const double *weight, int64_t reach, int64_t samples,
                      const int symmetric, double *out) {
    for (int64_t start = 0; start < samples; start += BLOCK) {
        const int64_t columns = start + BLOCK <= samples ? BLOCK : samples - start;
        double sum[BLOCK];
        const double *middle = x + start;
        if (columns == BLOCK) {
            for (int i = 0; i < BLOCK; i++) sum[i] = middle[i] * weight[reach];
            for (int64_t k = reach; k > 0; k--) {
                const double w = weight[reach - k];
                const double *low = middle - k, *high = middle + k;
                if (symmetric)
                    for (int i = 0; i < BLOCK; i++) sum[i] += (low[i] + high[i]) * w;
                else
                    for (int i = 0; i < BLOCK; i++) sum[i] += (low[i] - high[i]) * w;
            }
            memcpy(out + start, sum, sizeof sum);
            continue;
        }
        for (int64_t i = 0; i < columns; i++) {
            double one = middle[i] * weight[reach];
            for (int64_t k = reach; k > 0; k--)
                one += (symmetric ? middle[i - k] + middle[i + k] : middle[i - k] - middle[i + k]) *
                       weight[reach - k];
            out[start + i] = one;
        }
    }
}

/* The ends are mirrored, the last sample twice. 0: done; 1: no memory; 2: rows are too short. */
int JOIN(ecgfoundry_correlate, INSTRUCTIONS)(const ecgfoundry_correlate_job *job) {
    const int64_t samples = job->samples, reach = job->reach;
    if (samples < 1 || reach < 0 || reach > samples) return 2;
    double *room = malloc((size_t)(samples + 2 * reach) * sizeof(double));
    if (room == NULL) return 1;
    for (int64_t row = 0; row < job->rows; row++) {
        const double *x = job->input + row * samples;
        double *out = job->output + row * samples;
        for (int64_t i = 0; i < reach; i++) {
            room[reach - 1 - i] = x[i];
            room[reach + samples + i] = x[samples - 1 - i];
        }
        memcpy(room + reach, x, (size_t)samples * sizeof(double));
        if (job->sign > 0)
            correlate(room + reach, job->weight, reach, samples, 1, out);
        else
            correlate(room + reach, job->weight, reach, samples, 0, out);
    }
    free(room);
    return 0;
}

/* ---- medians of columns ---------------------------------------------------------------------- */

#define COLUMNS 32 /* not fewer: GCC would unroll the loop and then not use vectors */
#define MOST_MEMBERS 96 /* of more, a search for the middle one is faster than a sort */

/* Batcher's odd-even merge sort: which two of `count` are compared, one after the other. */
static int64_t comparisons(int64_t count, uint16_t (*pair)[2]) {
    int64_t number = 0;
    for (int64_t p = 1; p < count; p *= 2)
        for (int64_t k = p; k > 0; k /= 2)
            for (int64_t j = k % p; j + k < count; j += 2 * k)
                for (int64_t i = j; i < j + k && i + k < count; i++) {
                    if (i / (2 * p) != (i + k) / (2 * p)) continue;
                    if (pair != NULL) {
                        pair[number][0] = (uint16_t)i;
                        pair[number][1] = (uint16_t)(i + k);
                    }
                    number++;
                }
    return number;
}

/* 0: done; 1: no memory; 2: no member, or more than are sorted here. */
int JOIN(ecgfoundry_medians, INSTRUCTIONS)(const ecgfoundry_medians_job *job) {
    const int64_t members = job->members, columns = job->columns, half = members / 2;
    if (members < 1 || members > MOST_MEMBERS) return 2;
    const int64_t count = comparisons(members, NULL);
    double(*x)[COLUMNS] = malloc((size_t)members * sizeof *x + (size_t)count * 4);
    if (x == NULL) return 1;
    uint16_t(*pair)[2] = (uint16_t(*)[2])(x + members);
    comparisons(members, pair);
    for (int64_t group = 0; group < job->groups; group++)
        for (int64_t start = 0; start < columns; start += COLUMNS) {
            const int64_t here = start + COLUMNS <= columns ? COLUMNS : columns - start;
            const double *from = job->input + group * members * columns + start;
            double *out = job->output + group * columns + start;
            for (int64_t m = 0; m < members; m++) {
                memcpy(x[m], from + m * columns, (size_t)here * sizeof(double));
                for (int64_t c = here; c < COLUMNS; c++) x[m][c] = 0.0;
            }
            for (int64_t k = 0; k < count; k++) {
                double *restrict low = x[pair[k][0]], *restrict high = x[pair[k][1]];
                for (int c = 0; c < COLUMNS; c++) {
                    const double a = low[c], b = high[c];
                    const double least = a < b ? a : b, most = b < a ? a : b;
                    low[c] = least;
                    high[c] = most;
                }
            }
            for (int64_t c = 0; c < here; c++)
                out[c] = members % 2 ? x[half][c] : (x[half - 1][c] + x[half][c]) / 2.0;
        }
    free(x);
    return 0;
}
