/* Is this an ECG, and how much noise is in it: measurements/recognition.py and noise.py, where it is
 * described, do the same in NumPy. Sums are taken in another order here, so that figures differ by
 * rounding; every instruction set gives the same bits. */
#include "recognition.h"

#include "filters.h"
#include "order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

int JOIN(ecgfoundry_medians, INSTRUCTIONS)(const ecgfoundry_medians_job *); /* of filters.c */

#define BLOCK 64
#define MOST_BEATS 512 /* of more, NumPy's matrix product is faster */

/* ---- beats among one another ------------------------------------------------------------------ */

static double product(const double *x, const double *y, int64_t count) {
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += x[i + k] * y[i + k];
    for (; i < count; i++) lane[0] += x[i] * y[i];
    return together(lane);
}

/* Mean energy near the beats over that away from them. */
static double contrast(const ecgfoundry_recognition_job *job, const double *energy, char *mark) {
    const int64_t samples = job->samples;
    double mean[2];
    for (int turn = 0; turn < 2; turn++) { /* near, away */
        const int64_t reach = (int64_t)(turn ? job->away : job->near);
        memset(mark, 0, (size_t)samples);
        for (int64_t k = 0; k < job->count; k++) {
            const int64_t begin = larger(0, job->beats[k] - reach);
            const int64_t end = smaller(samples, job->beats[k] + reach + 1);
            if (end > begin) memset(mark + begin, 1, (size_t)(end - begin));
        }
        double lane[LANES] = {0};
        int64_t chosen = 0, i = 0;
        for (; i < samples; i++) {
            const int take = mark[i] != turn;
            chosen += take;
            lane[i % LANES] += take ? energy[i] : 0.0;
        }
        if (turn && (double)chosen < job->least_away * (double)samples) return INFINITY;
        mean[turn] = together(lane) / (double)chosen;
    }
    return mean[1] > 0 ? mean[0] / mean[1] : INFINITY;
}

/* Cut out the kept complexes, (kept, leads, width), and give each lead mean 0 and all of them
 * together length 1; without any deflection they become 0. */
static void unit_complexes(const ecgfoundry_recognition_job *job, int64_t width, double *unit) {
    const int64_t size = job->leads * width;
    for (int64_t k = 0; k < job->kept_count; k++) {
        const int64_t from = job->beats[job->kept[k]] - job->reach;
        double *one = unit + k * size;
        for (int64_t lead = 0; lead < job->leads; lead++) {
            const double *x = job->band + lead * job->samples + from;
            const double mean = sum_of(x, width) / (double)width;
            for (int64_t i = 0; i < width; i++) one[lead * width + i] = x[i] - mean;
        }
        const double length = sqrt(product(one, one, size));
        for (int64_t i = 0; i < size; i++) one[i] = length > 0 ? one[i] / length : 0.0;
    }
}

static void correlations(const double *unit, int64_t count, int64_t size, double *likeness) {
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k <= i; k++)
            likeness[i * count + k] = likeness[k * count + i] =
                product(unit + i * size, unit + k * size, size);
}

/* The median over the beats of the third best correlation with another one. */
static double usual_likeness(const double *likeness, int64_t count, double *third) {
    const int64_t rank = smaller(2, count - 2);
    for (int64_t i = 0; i < count; i++) {
        double best[3] = {-INFINITY, -INFINITY, -INFINITY};
        for (int64_t k = 0; k < count; k++) {
            double value = k == i ? -1.0 : likeness[i * count + k];
            for (int place = 0; place < 3; place++)
                if (value > best[place]) {
                    const double spare = best[place];
                    best[place] = value;
                    value = spare;
                }
        }
        third[i] = best[rank];
    }
    return middle_of(third, count);
}

/* ---- where the commonest shape recurs --------------------------------------------------------- */

/* The sum over the leads of a shape (leads, 2 reach + 1) times the signal around every sample. */
static void products_around(const ecgfoundry_recognition_job *job, const double *shape,
                            double *padded, double *out) {
    const int64_t samples = job->samples, reach = job->reach, width = 2 * reach + 1;
    const int64_t whole = (samples + BLOCK - 1) / BLOCK * BLOCK;
    memset(padded, 0, (size_t)(whole + 2 * reach) * sizeof *padded);
    memset(out, 0, (size_t)whole * sizeof *out);
    for (int64_t lead = 0; lead < job->leads; lead++) {
        memcpy(padded + reach, job->band + lead * samples, (size_t)samples * sizeof *padded);
        const double *weight = shape + lead * width;
        for (int64_t start = 0; start < whole; start += BLOCK) {
            double sum[BLOCK];
            memcpy(sum, out + start, sizeof sum);
            for (int64_t k = 0; k < width; k++) {
                const double w = weight[k], *x = padded + start + k;
                for (int i = 0; i < BLOCK; i++) sum[i] += x[i] * w;
            }
            memcpy(out + start, sum, sizeof sum);
        }
    }
}

/* Correlation of the shape with the signal around every sample, as likeness.recurrence. */
static void recurrence(const ecgfoundry_recognition_job *job, const double *shape,
                       const double *energy, double *size, double *sums, double *out) {
    const int64_t samples = job->samples, reach = job->reach, width = 2 * reach + 1;
    /* Energy of the last 0, 1, 2 ... samples of the shape. */
    double *tail = sums + samples + 1;
    tail[0] = 0.0;
    for (int64_t k = 0; k < width; k++) {
        double one = 0.0;
        for (int64_t lead = 0; lead < job->leads; lead++) {
            const double value = shape[lead * width + width - 1 - k];
            one += value * value;
        }
        tail[k + 1] = tail[k] + one;
    }
    sums[0] = 0.0;
    for (int64_t i = 0; i < samples; i++) sums[i + 1] = sums[i] + energy[i];
    const int64_t ends = smaller(reach, samples);
    double most_inside = -INFINITY, most = 0.0;
    /* What of the shape is inside. */
#define INSIDE(i)                                                              \
    ((i) < ends ? tail[reach + 1 + (i)] : tail[width]) -                       \
        ((i) >= samples - ends ? tail[reach + 1 - ends + (i) - (samples - ends)] : 0.0)
    for (int64_t i = 0; i < samples; i++) {
        const double inside = INSIDE(i);
        const double around =
            sums[smaller(samples, i + reach + 1)] - sums[larger(0, i - reach)];
        size[i] = sqrt((around > 0 ? around : 0.0) * inside);
        most_inside = inside > most_inside ? inside : most_inside;
        most = size[i] > most ? size[i] : most;
    }
    for (int64_t i = 0; i < samples; i++) {
        const double inside = INSIDE(i);
        const int enough = inside >= 0.5 * most_inside && size[i] > 1e-12 * most;
        out[i] = enough ? out[i] / size[i] : 0.0;
    }
#undef INSIDE
}

/* The lowest values, their sign changed, over the highest; x is put into another order. */
static double mirror(double *x, int64_t samples, int64_t count) {
    count = smaller(count, samples);
    if (count < samples) ranked(x, samples, count);
    const double low = sum_of(x, count) / (double)count;
    if (count < samples) ranked(x, samples, samples - count);
    const double high = sum_of(x + samples - count, count) / (double)count;
    return -low / (high > 1e-9 ? high : 1e-9);
}

/* ---- the median beat -------------------------------------------------------------------------- */

enum { RATE, CONTRAST, LIKENESS, MEMBERS, MIRROR, STEEPNESS, STEEPEST, BALANCE, STEP, FOCUS, SPIKE,
       SHARP, CRISP };

/* Best share of the squared slope in a stretch of `width` slopes; sums has one value more. */
static double densest(const double *sums, int64_t slopes, int64_t width) {
    width = smaller(width, slopes);
    double best = -INFINITY;
    for (int64_t i = width; i <= slopes; i++) {
        const double here = sums[i] - sums[i - width];
        best = here > best ? here : best;
    }
    return best / (sums[slopes] > 1e-30 ? sums[slopes] : 1e-30);
}

/* Power of `bins` frequencies from number `first` on of rows (leads, width), (leads, bins). Of all
 * frequencies at once the wave is turned on from sample to sample. */
static void spectrum(const double *x, int64_t leads, int64_t width, int64_t first, int64_t bins,
                     double *room, double *power) {
    const double step = 2.0 * 3.14159265358979323846 / (double)width;
    double *restrict c = room, *restrict s = c + bins, *restrict by_c = s + bins;
    double *restrict by_s = by_c + bins, *sums = by_s + bins;
    for (int64_t k = 0; k < bins; k++) {
        c[k] = 1.0;
        s[k] = 0.0;
        by_c[k] = cos(step * (double)(first + k));
        by_s[k] = sin(step * (double)(first + k));
    }
    memset(sums, 0, (size_t)(2 * leads * bins) * sizeof *sums);
    for (int64_t i = 0; i < width; i++) {
        for (int64_t lead = 0; lead < leads; lead++) {
            const double value = x[lead * width + i];
            double *restrict re = sums + 2 * lead * bins, *restrict im = re + bins;
            for (int64_t k = 0; k < bins; k++) {
                re[k] += value * c[k];
                im[k] += value * s[k];
            }
        }
        for (int64_t k = 0; k < bins; k++) {
            const double turned = c[k] * by_c[k] - s[k] * by_s[k];
            s[k] = c[k] * by_s[k] + s[k] * by_c[k];
            c[k] = turned;
        }
    }
    for (int64_t lead = 0; lead < leads; lead++)
        for (int64_t k = 0; k < bins; k++) {
            const double re = sums[2 * lead * bins + k], im = sums[(2 * lead + 1) * bins + k];
            power[lead * bins + k] = re * re + im * im;
        }
}

/* The first of the frequencies of numpy.fft.rfftfreq that is at least so high. */
static int64_t first_from(double hertz, int64_t width, double rate) {
    const double apart = 1.0 / ((double)width * (1.0 / rate));
    int64_t k = 0;
    while (k <= width / 2 && (double)k * apart < hertz) k++;
    return k;
}

/* What recognition._shape measures in a median beat (leads, width); `room` is written over. */
static void shape_of(const ecgfoundry_recognition_job *job, const double *beat, int64_t width,
                     double *room) {
    const int64_t middle = width / 2, reach = job->edge_reach, slopes = width - 1;
    const int64_t slow = first_from(job->slow, width, job->rate);
    const int64_t sharp = first_from(job->sharp, width, job->rate);
    const int64_t crisp = first_from(job->crisp, width, job->rate);
    const int64_t bins = width / 2 + 1 - slow;
    double *slope = room, *sums = slope + width, *windowed = sums + width;
    double *power = windowed + job->leads * width, *spare = power + job->leads * width;
    double *figures = job->figures;
    for (int k = STEEPNESS; k <= CRISP; k++) figures[k] = 0.0;
    for (int64_t lead = 0; lead < job->leads; lead++) {
        const double *x = beat + lead * width, share = job->shares[lead];
        double low = x[0], high = x[0];
        for (int64_t i = 1; i < width; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        const double height = high - low > 1e-30 ? high - low : 1e-30;
        sums[0] = 0.0;
        for (int64_t i = 0; i < slopes; i++) {
            slope[i] = (x[i + 1] - x[i]) * job->rate;
            sums[i + 1] = sums[i] + slope[i] * slope[i];
        }
        double one = -INFINITY, other = -INFINITY;
        for (int64_t i = larger(0, middle - reach); i < smaller(middle + reach, slopes); i++) {
            one = slope[i] > one ? slope[i] : one;
            other = -slope[i] > other ? -slope[i] : other;
        }
        const double steepest = one > other ? one : other, least = one > other ? other : one;
        const double less = least > 0 ? least : 0.0;
        const int64_t begin = larger(1, middle - reach), end = smaller(middle + reach, width - 1);
        memcpy(slope, x, (size_t)begin * sizeof *slope);
        const double before = middle_of(slope, begin);
        memcpy(slope, x + end, (size_t)(width - end) * sizeof *slope);
        const double after = middle_of(slope, width - end);
        figures[STEEPNESS] += less / height * share;
        figures[STEEPEST] += steepest / height * share;
        figures[BALANCE] += less / (steepest > 1e-30 ? steepest : 1e-30) * share;
        figures[STEP] += fabs(before - after) / height * share;
        figures[FOCUS] += densest(sums, slopes, job->focus) * share;
        figures[SPIKE] += densest(sums, slopes, job->spike) * share;
        const double mean = sum_of(x, width) / (double)width;
        for (int64_t i = 0; i < width; i++) windowed[lead * width + i] = x[i] - mean;
    }
    for (int64_t i = 0; i < width; i++) { /* numpy.hanning */
        const double angle = 3.14159265358979323846 * (double)(2 * i + 1 - width) / (double)slopes;
        const double weight = 0.5 + 0.5 * cos(angle);
        for (int64_t lead = 0; lead < job->leads; lead++) windowed[lead * width + i] *= weight;
    }
    if (bins < 1) return;
    spectrum(windowed, job->leads, width, slow, bins, spare, power);
    for (int64_t lead = 0; lead < job->leads; lead++) {
        const double *own = power + lead * bins;
        const double all = sum_of(own, bins), share = job->shares[lead];
        const int64_t from = smaller(sharp - slow, bins), last = smaller(crisp - slow, bins);
        const double whole = all > 1e-30 ? all : 1e-30;
        figures[SHARP] += sum_of(own + from, bins - from) / whole * share;
        figures[CRISP] += sum_of(own + last, bins - last) / whole * share;
    }
}

/* The median beat (leads, width) of the chosen beats that have all of it; 0: there is none. */
static int median_beat(const ecgfoundry_recognition_job *job, const char *chosen, int64_t half,
                       double *pieces, double *spare, double *beat, int *code) {
    const int64_t width = 2 * half + 1, size = job->leads * width;
    int64_t members = 0;
    for (int64_t k = 0; k < job->kept_count; k++) {
        const int64_t at = job->beats[job->kept[k]];
        if (!chosen[k] || at < half || at >= job->samples - half) continue;
        for (int64_t lead = 0; lead < job->leads; lead++) {
            const double *x = job->coarse + lead * job->samples + at - half;
            double *to = pieces + members * size + lead * width;
            memcpy(spare, x, (size_t)width * sizeof *spare);
            const double centre = middle_of(spare, width);
            for (int64_t i = 0; i < width; i++) to[i] = x[i] - centre;
        }
        members++;
    }
    if (members == 0) return 0;
    const ecgfoundry_medians_job medians = {pieces, beat, 1, members, size};
    *code = JOIN(ecgfoundry_medians, INSTRUCTIONS)(&medians);
    if (*code == 2) { /* more members than are sorted there */
        for (int64_t i = 0; i < size; i++) {
            for (int64_t k = 0; k < members; k++) spare[k] = pieces[k * size + i];
            beat[i] = middle_of(spare, members);
        }
        *code = 0;
    }
    return 1;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static double interval(const ecgfoundry_recognition_job *job, double *spare) {
    if (job->count < 2) return job->usual;
    for (int64_t k = 1; k < job->count; k++)
        spare[k - 1] = (double)(job->beats[k] - job->beats[k - 1]);
    return middle_of(spare, job->count - 1);
}

/* 0: done; 1: no memory; 2: too many beats, or too few samples between them. */
int JOIN(ecgfoundry_recognition, INSTRUCTIONS)(const ecgfoundry_recognition_job *given) {
    ecgfoundry_recognition_job *job = (ecgfoundry_recognition_job *)given; /* kept_count */
    const int64_t leads = job->leads, samples = job->samples, count = job->count;
    if (count < 1 || count > MOST_BEATS || leads < 1 || samples < 1 || job->reach < 1) return 2;
    job->kept_count = 0;
    for (int64_t k = 0; k < count; k++)
        if (job->beats[k] >= job->reach && job->beats[k] < samples - job->reach)
            job->kept[job->kept_count++] = k;
    const int64_t kept = job->kept_count, width = 2 * job->reach + 1, size = leads * width;
    double few[MOST_BEATS];
    const double usual = interval(job, few);
    const double reach = usual / 2 < job->wide_reach ? usual / 2 : job->wide_reach;
    const int64_t half = (int64_t)nearbyint(reach), wide = 2 * half + 1;
    if (half < 1) return 2;
    /* The signal and what is added to it; complexes; median beat and its spectrum. */
    const int64_t longest = samples + 2 * job->reach + 2 * BLOCK + 2;
    const int64_t pieces = kept * leads * (wide > width ? wide : width);
    const int64_t rest = (8 + 6 * leads) * wide + (leads + 1) * width + MOST_BEATS;
    double *room = malloc((size_t)(5 * longest + pieces + rest) * sizeof *room + (size_t)samples);
    if (room == NULL) return 1;
    double *energy = room, *padded = energy + longest, *out = padded + longest;
    double *sizes = out + longest, *sums = sizes + longest, *cut = sums + longest + width + 1;
    double *shape = cut + pieces, *beat = shape + size, *spare = beat + leads * wide;
    char *mark = (char *)(room + 5 * longest + pieces + rest);
    char chosen[MOST_BEATS];
    for (int k = 0; k <= CRISP; k++) job->figures[k] = NAN;
    for (int64_t i = 0; i < samples; i++) energy[i] = job->band[i] * job->band[i];
    for (int64_t lead = 1; lead < leads; lead++) {
        const double *x = job->band + lead * samples;
        for (int64_t i = 0; i < samples; i++) energy[i] += x[i] * x[i];
    }
    job->figures[RATE] = 60.0 * job->rate / usual;
    job->figures[CONTRAST] = contrast(job, energy, mark);
    int code = 0;
    if (kept > 0) {
        unit_complexes(job, width, cut);
        correlations(cut, kept, size, job->likeness);
        int64_t most = -1, best = 0;
        for (int64_t i = 0; i < kept; i++) {
            int64_t like = 0;
            for (int64_t k = 0; k < kept; k++) like += job->likeness[i * kept + k] >= job->alike;
            if (like > most) {
                most = like;
                best = i;
            }
        }
        for (int64_t k = 0; k < kept; k++)
            chosen[k] = job->likeness[best * kept + k] >= job->alike;
        if (kept > 1) job->figures[LIKENESS] = usual_likeness(job->likeness, kept, few);
        if (kept >= job->many) job->figures[MEMBERS] = (double)most / (double)kept;
        /* Where no complex has any deflection, the first one stands for the shape. */
        memset(shape, 0, (size_t)size * sizeof *shape);
        for (int64_t k = 0; k < (most > 0 ? kept : 1); k++) {
            if (most > 0 && !chosen[k]) continue;
            const int64_t from = job->beats[job->kept[k]] - job->reach;
            for (int64_t lead = 0; lead < leads; lead++)
                for (int64_t i = 0; i < width; i++)
                    shape[lead * width + i] += job->band[lead * samples + from + i];
        }
        for (int64_t i = 0; i < size; i++) shape[i] /= (double)(most > 0 ? most : 1);
        if (most <= 0) memset(chosen, 1, (size_t)kept);
        products_around(job, shape, padded, out);
        recurrence(job, shape, energy, sizes, sums, out);
        job->figures[MIRROR] = mirror(out, samples, job->extremes * count);
        if (median_beat(job, chosen, half, cut, spare, beat, &code) && code == 0)
            shape_of(job, beat, wide, spare);
    }
    free(room);
    return code;
}

/* ---- signal to noise -------------------------------------------------------------------------- */

/* Beats (rows of `pieces`) are compared with the mean of those of their shape, sample by sample;
 * measurements/noise.py. 0: done; 1: no memory; 2: too many beats. */
int JOIN(ecgfoundry_noise, INSTRUCTIONS)(const ecgfoundry_noise_job *given) {
    ecgfoundry_noise_job *job = (ecgfoundry_noise_job *)given; /* found */
    const int64_t leads = job->leads, samples = job->samples, all = job->count;
    const int64_t width = job->before + job->after + 1;
    if (all < 1 || all > MOST_BEATS || leads < 1 || samples < 1 || width < 1) return 2;
    int64_t inside[MOST_BEATS], count = 0;
    for (int64_t k = 0; k < all; k++)
        if (job->beats[k] >= job->before && job->beats[k] < samples - job->after)
            inside[count++] = k;
    double *room = malloc((size_t)((3 * count + 1) * width + count * count) * sizeof *room);
    if (room == NULL) return 1;
    double *free_of = room, *weight = free_of + count * width, *number = weight + count * width;
    double *expected = number + count * width, *other = expected + width;
    int any = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < count; k++) {
            other[i * count + k] =
                i != k && job->alike[inside[i] * all + inside[k]];
            any |= other[i * count + k] > 0;
        }
    if (!any) /* all of them, but not with themselves */
        for (int64_t i = 0; i < count; i++)
            for (int64_t k = 0; k < count; k++) other[i * count + k] = i != k;
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = inside[i], from = job->beats[at] - job->before;
        const int64_t begin = at > 0 ? job->beats[at - 1] + job->neighbour + 1 - from : 0;
        const int64_t end = at < all - 1 ? job->beats[at + 1] - job->neighbour - from : width;
        for (int64_t c = 0; c < width; c++) free_of[i * width + c] = c >= begin && c < end;
    }
    double compared = 0.0;
    for (int64_t i = 0; i < count; i++) {
        double *own = number + i * width;
        memset(own, 0, (size_t)width * sizeof *own);
        for (int64_t k = 0; k < count; k++)
            if (other[i * count + k] > 0)
                for (int64_t c = 0; c < width; c++) own[c] += free_of[k * width + c];
        for (int64_t c = 0; c < width; c++) {
            const int yes = free_of[i * width + c] > 0 &&
                            fabs((double)(c - job->before)) > job->qrs && own[c] >= 1;
            compared += yes;
            own[c] = own[c] > 1 ? own[c] : 1.0;
            weight[i * width + c] = yes ? 1.0 / (1.0 + 1.0 / own[c]) : 0.0;
        }
    }
    job->found = compared > 0;
    for (int64_t lead = 0; lead < leads && compared > 0; lead++) {
        const double *band = job->band + lead * samples;
        double lane[LANES] = {0};
        for (int64_t i = 0; i < count; i++) {
            memset(expected, 0, (size_t)width * sizeof *expected);
            for (int64_t k = 0; k < count; k++) {
                if (!(other[i * count + k] > 0)) continue;
                const double *x = band + job->beats[inside[k]] - job->before;
                const double *there = free_of + k * width;
                for (int64_t c = 0; c < width; c++) expected[c] += x[c] * there[c];
            }
            const double *x = band + job->beats[inside[i]] - job->before;
            int64_t c = 0;
#define APART(c, lane)                                                             \
    {                                                                              \
        const double apart = x[c] * free_of[i * width + c] -                       \
                             expected[c] / number[i * width + c];                  \
        lane += apart * apart * weight[i * width + c];                             \
    }
            for (; c + LANES <= width; c += LANES)
                for (int k = 0; k < LANES; k++) APART(c + k, lane[k])
            for (; c < width; c++) APART(c, lane[0])
#undef APART
        }
        const double noise = together(lane) / compared;
        const double power = product(band, band, samples) / (double)samples;
        const double least = power * job->floor + 1e-300;
        job->ratio[lead] = (power - noise) / (noise > least ? noise : least);
    }
    free(room);
    return 0;
}
