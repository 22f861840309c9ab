/* Where QRS complexes begin and end, and the signal without them: measurements/qrs_search.py and
 * measurements/delineation.py, where both are described, do the same in NumPy. */
#include "complexes.h"

#include "order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

/* The last column that is above a level before `gap` columns are not, `step` by step. */
static double outward(const double *modulus, int64_t start, int64_t width, int64_t step,
                      double level, int64_t gap, int64_t limit) {
    int64_t last = start;
    for (int64_t c = start; c >= 0 && c < width && (c - last) * step <= gap; c += step)
        if (modulus[c] >= level) last = c;
    return (last - limit) * step > 0 ? NAN : (double)last;
}

/* 0: done; 1: no memory; 2: there is no beat, or a window without a core. */
int JOIN(ecgfoundry_complexes, INSTRUCTIONS)(const ecgfoundry_complexes_job *job) {
    const int64_t width = job->width, low = job->zero - job->core, high = job->zero + job->core;
    if (job->leads < 1 || job->count < 1 || job->samples < 1 || low < 0 || high >= width) return 2;
    double *modulus = malloc((size_t)width * sizeof *modulus);
    if (modulus == NULL) return 1;
    for (int64_t lead = 0; lead < job->leads; lead++) {
        const double *x = job->x + lead * job->samples, *slope = job->slope + lead * job->samples;
        const double floor = job->noise_factor * job->noise[lead];
        for (int64_t beat = 0; beat < job->count; beat++) {
            const int64_t from = job->beats[beat] - job->zero, row = lead * job->count + beat;
            double least = INFINITY, most = -INFINITY;
            for (int64_t c = 0; c < width; c++) {
                const int64_t at = larger(0, smaller(from + c, job->samples - 1));
                modulus[c] = fabs(slope[at]);
                if (c < low || c > high) continue;
                least = x[at] < least ? x[at] : least;
                most = x[at] > most ? x[at] : most;
            }
            int64_t start = low;
            for (int64_t c = low + 1; c <= high; c++)
                if (modulus[c] > modulus[start]) start = c;
            const double top = modulus[start];
            job->height[row] = most - least;
            job->onset[row] = job->offset[row] = NAN;
            if (!(top > 0)) continue;
            const double calm = floor < job->most_share * top ? floor : job->most_share * top;
            const double begin = job->onset_share * top, end = job->offset_share * top;
            job->onset[row] = outward(modulus, start, width, -1, begin > calm ? begin : calm,
                                      job->gap, job->zero - job->before) - (double)job->zero;
            job->offset[row] = outward(modulus, start, width, 1, end > calm ? end : calm,
                                       job->gap, job->zero + job->after) - (double)job->zero;
        }
    }
    free(modulus);
    return 0;
}

/* 0: done; 1: no memory; 2: there is nothing. */
int JOIN(ecgfoundry_bridge, INSTRUCTIONS)(const ecgfoundry_bridge_job *job) {
    const int64_t samples = job->samples;
    if (job->leads < 1 || samples < 1) return 2;
    int32_t *steps = malloc((size_t)(samples + 1) * sizeof *steps);
    if (steps == NULL) return 1;
    for (int64_t lead = 0; lead < job->leads; lead++) {
        const double *x = job->x + lead * samples;
        double *out = job->out + lead * samples;
        memcpy(out, x, (size_t)samples * sizeof *x);
        memset(steps, 0, (size_t)(samples + 1) * sizeof *steps);
        for (int64_t k = lead * job->count; k < (lead + 1) * job->count; k++) {
            steps[larger(0, smaller((int64_t)rint(job->begin[k]), samples))]++;
            steps[larger(0, smaller((int64_t)rint(job->end[k]), samples))]--;
        }
        int32_t depth = 0;
        for (int64_t i = 0, first = -1; i <= samples; i++) {
            depth += steps[i];
            const int covered = i < samples && depth > 0;
            if (covered && first < 0) first = i;
            if (covered || first < 0) continue;
            /* From the sample before to the one behind, or flat at an end. */
            const int64_t low = first > 0 ? first - 1 : i, high = i < samples ? i : low;
            if (first > 0 || i < samples)
                for (int64_t c = first; c < i; c++) {
                    const double share = (double)(c - low) / (double)larger(high - low, 1);
                    out[c] = x[low] + share * (x[high] - x[low]);
                }
            first = -1;
        }
    }
    free(steps);
    return 0;
}
