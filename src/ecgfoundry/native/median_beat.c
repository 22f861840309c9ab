/* The median beat: measurements/intervals.py, where it is described, does the same in NumPy. */
#include "median_beat.h"

#include "filters.h"
#include "order.h"

#include <math.h>
#include <stdlib.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

int JOIN(ecgfoundry_medians, INSTRUCTIONS)(const ecgfoundry_medians_job *);

static double product(const double *a, const double *b, int64_t count) {
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += a[i + k] * b[i + k];
    for (; i < count; i++) lane[0] += a[i] * b[i];
    return together(lane);
}

static void centre(double *x, int64_t count) {
    const double mean = sum_of(x, count) / (double)count;
    for (int64_t i = 0; i < count; i++) x[i] -= mean;
}

/* Medians of columns, (groups, members, columns) to (groups, columns); 0: done, 1: no memory. */
static int medians(const double *x, int64_t groups, int64_t members, int64_t columns,
                   double *out) {
    const ecgfoundry_medians_job job = {x, out, groups, members, columns};
    const int code = JOIN(ecgfoundry_medians, INSTRUCTIONS)(&job);
    if (code != 2) return code;
    double *column = malloc((size_t)members * sizeof *column);
    if (column == NULL) return 1;
    for (int64_t g = 0; g < groups; g++)
        for (int64_t c = 0; c < columns; c++) {
            for (int64_t m = 0; m < members; m++) column[m] = x[(g * members + m) * columns + c];
            out[g * columns + c] = middle_of(column, members);
        }
    free(column);
    return 0;
}

/* Correlate each beat's complexes, all leads in one, with the median of all. */
static int compare(const ecgfoundry_median_beat_job *job, const double *pieces, double *room) {
    const int64_t span = 2 * job->reach + 1, size = job->leads * span, n = job->count;
    double *complexes = room, *middle = room + n * size;
    for (int64_t lead = 0; lead < job->leads; lead++)
        for (int64_t b = 0; b < n; b++) {
            const double *from =
                pieces + (lead * n + b) * job->width + job->zero - job->reach;
            double *to = complexes + b * size + lead * span;
            for (int64_t c = 0; c < span; c++) to[c] = from[c];
        }
    if (medians(complexes, 1, n, size, middle)) return 1;
    centre(middle, size);
    const double power = product(middle, middle, size);
    for (int64_t b = 0; b < n; b++) {
        double *own = complexes + b * size;
        centre(own, size);
        const double norm = sqrt(product(own, own, size)) * sqrt(power);
        job->likeness[b] = norm > 0 ? product(own, middle, size) / norm : 0.0;
    }
    return 0;
}

/* 0: done; 1: no memory; 2: there is no beat, or its window is too short. */
int JOIN(ecgfoundry_median_beat, INSTRUCTIONS)(const ecgfoundry_median_beat_job *given) {
    ecgfoundry_median_beat_job *job = (ecgfoundry_median_beat_job *)given; /* used */
    const int64_t n = job->count, width = job->width, leads = job->leads;
    const int64_t first = job->level[0], span = job->level[1] - first;
    if (n < 1 || leads < 1 || job->zero < job->reach || job->zero + job->reach >= width) return 2;
    if (first < 0 || span < 1 || job->level[1] > width) return 2;
    for (int64_t b = 0; b < n; b++)
        if (job->beats[b] < job->zero || job->beats[b] - job->zero + width > job->samples) return 2;
    const int64_t compared = leads * (2 * job->reach + 1) * (n + 1);
    double *pieces = malloc((size_t)(leads * n * width + larger(compared, span)) * sizeof *pieces);
    if (pieces == NULL) return 1;
    double *room = pieces + leads * n * width;
    for (int64_t k = 0; k < leads * n; k++) {
        const double *from =
            job->signal + k / n * job->samples + job->beats[k % n] - job->zero;
        for (int64_t c = 0; c < span; c++) room[c] = from[first + c];
        const double level = middle_of(room, span);
        for (int64_t c = 0; c < width; c++) pieces[k * width + c] = from[c] - level;
    }
    int code = compare(job, pieces, room);
    int64_t used = 0;
    for (int64_t b = 0; b < n; b++) used += job->likeness[b] >= job->alike;
    job->used = used > 0 ? used : n;
    if (code == 0 && used > 0 && used < n) {
        int64_t to = 0; /* what counts moves to the front */
        for (int64_t k = 0; k < leads * n; k++) {
            if (!(job->likeness[k % n] >= job->alike)) continue;
            if (to != k)
                for (int64_t c = 0; c < width; c++) pieces[to * width + c] = pieces[k * width + c];
            to++;
        }
    }
    if (code == 0) code = medians(pieces, leads, job->used, width, job->values);
    for (int64_t lead = 0; code == 0 && lead < leads; lead++) {
        const double *values = job->values + lead * width;
        double sum = 0.0;
        for (int64_t b = 0; b < job->used; b++) {
            double *piece = pieces + (lead * job->used + b) * width;
            for (int64_t c = 0; c < width; c++) piece[c] -= values[c];
            sum += product(piece, piece, width);
        }
        job->noise[lead] = job->used > 1 ? sqrt(sum / (double)(job->used * width)) : NAN;
    }
    free(pieces);
    return code;
}
