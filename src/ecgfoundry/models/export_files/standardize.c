/* Raw ECG windows to model input: the recipe of this model (recipe.h, which is made of
 * preprocessing.json), in plain C99.
 *
 *   int standardize(const float *raw, int leads, int samples, double rate, float *out)
 *
 * raw: leads x samples in mV, NaN = missing, in the order of the model, at most one window long.
 * out: leads x RECIPE_SAMPLES; a lead that is missing throughout becomes NaN. Returns 0, or 1 if
 * there is no memory, 2 if the window is too long or too short.
 *
 * Check it on the golden windows:  cc -O2 -DCHECK standardize.c -lm -o check && ./check
 */
#include "recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void run_section(double *x, long count, const double *c) {
    const double steady = (c[0] + c[1] + c[2]) / (1.0 + c[4] + c[5]);
    double s1 = (steady - c[0]) * x[0], s2 = (c[2] - c[5] * steady) * x[0];
    for (long t = 0; t < count; t++) {
        const double in = x[t], out = c[0] * in + s1;
        s1 = c[1] * in - c[4] * out + s2;
        s2 = c[2] * in - c[5] * out;
        x[t] = out;
    }
}

static void reverse(double *x, long count) {
    for (long i = 0, j = count - 1; i < j; i++, j--) {
        const double keep = x[i];
        x[i] = x[j];
        x[j] = keep;
    }
}

/* x has room for pad samples on each side. */
static void zero_phase(double *x, long samples, int number) {
    const long pad = recipe_pad[number], count = samples + 2 * pad;
    for (long k = 1; k <= pad; k++) {
        x[-k] = 2.0 * x[0] - x[k];
        x[samples - 1 + k] = 2.0 * x[samples - 1] - x[samples - 1 - k];
    }
    for (int pass = 0; pass < 2; pass++) {
        for (long t = -pad; t < count - pad; t++) x[t] *= recipe_gain[number];
        for (int k = 0; k < recipe_sections[number]; k++)
            run_section(x - pad, count, recipe_section[number][k]);
        reverse(x - pad, count);
    }
}

/* The window is kept sorted; one value leaves and one enters per step. */
static int subtract_median(double *x, long samples, int kernel) {
    const int half = kernel / 2;
    double *padded = calloc((size_t)(samples + 2 * half), sizeof(double));
    double *sorted = calloc((size_t)kernel, sizeof(double));
    if (!padded || !sorted) {
        free(padded);
        free(sorted);
        return 1;
    }
    memcpy(padded + half, x, (size_t)samples * sizeof(double));
    int filled = 0;
    for (long t = 0; t < samples + 2 * half; t++) {
        if (filled == kernel) {
            int at = 0;
            while (sorted[at] != padded[t - kernel]) at++;
            memmove(sorted + at, sorted + at + 1, (size_t)(kernel - 1 - at) * sizeof(double));
            filled--;
        }
        int at = filled;
        while (at > 0 && sorted[at - 1] > padded[t]) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = padded[t];
        filled++;
        if (filled == kernel) x[t - 2 * half] = padded[t - half] - sorted[half];
    }
    free(padded);
    free(sorted);
    return 0;
}

static void bridge_gaps(double *x, long samples) {
    long last = -1; /* the last sample that is there */
    for (long t = 0; t <= samples; t++) {
        if (t < samples && isnan(x[t])) continue;
        for (long u = last + 1; u < t; u++) {
            if (last < 0) x[u] = x[t];
            else if (t == samples) x[u] = x[last];
            else x[u] = x[last] + (x[t] - x[last]) * (double)(u - last) / (double)(t - last);
        }
        last = t;
    }
}

static void resample_linear(const double *x, long samples, double rate, double target, double *y,
                            long length) {
    for (long k = 0; k < length; k++) {
        double at = (double)k * (rate / target);
        if (at > (double)(samples - 1)) at = (double)(samples - 1);
        const long left = (long)floor(at);
        const double high = left + 1 < samples ? x[left + 1] : x[samples - 1];
        y[k] = x[left] + (high - x[left]) * (at - (double)left);
    }
}

static double bessel_i0(double x) {
    double sum = 1.0, term = 1.0;
    for (int k = 1; k < 60; k++) {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
    }
    return sum;
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Low-pass (Kaiser window, beta 5) and the samples at times k * down / up. */
static int resample_polyphase(const double *x, long samples, long up, long down, double *y,
                              long length) {
    const double pi = 3.14159265358979323846;
    const long larger = up > down ? up : down, half = 10 * larger;
    double *kernel = malloc((size_t)(2 * half + 1) * sizeof(double));
    double *order = malloc((size_t)samples * sizeof(double));
    if (!kernel || !order) {
        free(kernel);
        free(order);
        return 1;
    }
    memcpy(order, x, (size_t)samples * sizeof(double));
    qsort(order, (size_t)samples, sizeof(double), compare_doubles);
    const double offset = (order[(samples - 1) / 2] + order[samples / 2]) / 2.0;
    double sum = 0.0;
    for (long n = -half; n <= half; n++) {
        const double at = (double)n / (double)larger, share = (double)n / (double)half;
        const double sinc = n == 0 ? 1.0 : sin(pi * at) / (pi * at);
        kernel[n + half] = sinc * bessel_i0(5.0 * sqrt(1.0 - share * share)) / bessel_i0(5.0);
        sum += kernel[n + half];
    }
    for (long n = 0; n <= 2 * half; n++) kernel[n] *= (double)up / sum;
    const double first = x[0] - offset;
    const double slope = samples > 1 ? (x[samples - 1] - x[0]) / (double)(samples - 1) : 0.0;
    const long reach = half / up + 1;
    for (long m = 0; m < length; m++) {
        const long at = m * down, centre = at / up;
        double value = 0.0;
        for (long k = centre - reach; k <= centre + reach; k++) {
            const long tap = at - k * up;
            if (tap < -half || tap > half) continue;
            /* beyond the ends: along the line through the first and the last sample */
            const int inside = k >= 0 && k < samples;
            value += kernel[tap + half] * (inside ? x[k] - offset : first + slope * (double)k);
        }
        y[m] = value + offset;
    }
    free(kernel);
    free(order);
    return 0;
}

/* up / down = target / source with terms up to 2000, found by trying denominators. */
static void small_ratio(double source, double target, long *up, long *down) {
    double best = 1e300;
    for (long d = 1; d <= 2000; d++) {
        const long n = (long)floor(target / source * (double)d + 0.5);
        const double error = fabs((double)n / (double)d - target / source);
        if (n > 0 && error < best - 1e-15) {
            best = error;
            *up = n;
            *down = d;
        }
    }
}

static void scale_rows(double *x, long stride, long count, int rows, int each, double epsilon,
                       double flat_below) {
    for (int first = 0; first < rows; first += each ? 1 : rows) {
        const int end = each ? first + 1 : rows;
        const double total = (double)count * (double)(end - first);
        double mean = 0.0, square = 0.0;
        for (int row = first; row < end; row++)
            for (long t = 0; t < count; t++) mean += x[row * stride + t] / total;
        for (int row = first; row < end; row++)
            for (long t = 0; t < count; t++) {
                const double distance = x[row * stride + t] - mean;
                square += distance * distance / total;
            }
        const double deviation = sqrt(square);
        const double factor = deviation < flat_below ? 0.0 : 1.0 / (deviation + epsilon);
        for (int row = first; row < end; row++)
            for (long t = 0; t < count; t++) x[row * stride + t] = (x[row * stride + t] - mean) * factor;
    }
}

/* Rows of samples with room beside each; all steps work in place. */
typedef struct {
    double *x, *scratch;
    long stride, count, samples; /* samples: of the raw window */
    int rows;
    double rate, source_rate;
    const float *raw;
    const int *kept; /* which lead of raw a row is */
} windows;

static long length_at(long count, double rate, int polyphase, double target, long *up, long *down) {
    *up = *down = 1;
    if (rate == target) return count;
    if (!polyphase) {
        const long length = (long)rint((double)count * target / rate);
        return length > 1 ? length : 1;
    }
    small_ratio(rate, target, up, down);
    return (count * *up + *down - 1) / *down;
}

static int resample(windows *w, int polyphase, double target) {
    long up, down;
    const long length = length_at(w->count, w->rate, polyphase, target, &up, &down);
    for (int k = 0; k < w->rows; k++) {
        double *row = w->x + k * w->stride;
        if (w->rate != target) {
            if (!polyphase) resample_linear(row, w->count, w->rate, target, w->scratch, length);
            else if (resample_polyphase(row, w->count, up, down, w->scratch, length)) return 1;
            memcpy(row, w->scratch, (size_t)length * sizeof(double));
        }
        for (long t = 0; t < length; t++) row[t] = (double)(float)row[t];
    }
    w->count = length;
    w->rate = target;
    return 0;
}

static void pad(windows *w) {
    const long shorter = RECIPE_SAMPLES - w->count;
    if (shorter <= 0) return;
    for (int k = 0; k < w->rows; k++) {
        double *row = w->x + k * w->stride;
        if (RECIPE_PAD_LEFT) memmove(row + shorter, row, (size_t)w->count * sizeof(double));
        for (long t = 0; t < shorter; t++) row[RECIPE_PAD_LEFT ? t : w->count + t] = RECIPE_PAD_VALUE;
    }
    w->count = RECIPE_SAMPLES;
}

static int run_step(windows *w, const recipe_step *step) {
    if (step->kind == RESAMPLE_LINEAR || step->kind == RESAMPLE_POLYPHASE)
        return resample(w, step->kind == RESAMPLE_POLYPHASE, step->number);
    if (step->kind == Z_SCORE_WINDOW || step->kind == Z_SCORE_LEAD) {
        if (RECIPE_PAD_COUNTED) pad(w);
        scale_rows(w->x, w->stride, w->count, w->rows, step->kind == Z_SCORE_LEAD, step->number,
                   step->second);
        return 0;
    }
    for (int k = 0; k < w->rows; k++) {
        double *row = w->x + k * w->stride;
        const float *raw = w->raw + (long)w->kept[k] * w->samples;
        switch (step->kind) {
            case FILL_LINE: bridge_gaps(row, w->count); break;
            case FILTER: zero_phase(row, w->count, step->index); break;
            case MEDIAN:
                if (subtract_median(row, w->count, step->index)) return 1;
                break;
            case KEEP_EVERY:
                for (long t = 0; t * step->index < w->count; t++) row[t] = row[t * step->index];
                break;
            default:
                for (long t = 0; t < w->count; t++) {
                    long source = (long)rint((double)t * (w->source_rate / w->rate));
                    if (source > w->samples - 1) source = w->samples - 1;
                    if (step->kind == FILL_ZERO && isnan(row[t])) row[t] = 0.0;
                    if (step->kind == CLIP && row[t] > step->number) row[t] = step->number;
                    if (step->kind == CLIP && row[t] < -step->number) row[t] = -step->number;
                    if (step->kind == BLANK_GAPS && isnan(raw[source])) row[t] = 0.0;
                }
        }
    }
    if (step->kind == KEEP_EVERY) {
        w->count = (w->count + step->index - 1) / step->index;
        w->rate /= step->index;
    }
    return 0;
}

int standardize(const float *raw, int leads, int samples, double rate, float *out) {
    if ((double)samples > RECIPE_WINDOW_S * rate + 0.5 || samples < rate) return 2;
    long wide = samples > RECIPE_SAMPLES ? samples : RECIPE_SAMPLES, count = samples;
    double now = rate;
    for (int k = 0; k < RECIPE_STEPS; k++) { /* how long a row gets on its way */
        const recipe_step *step = &recipe_steps[k];
        long up, down;
        if (step->kind == RESAMPLE_LINEAR || step->kind == RESAMPLE_POLYPHASE) {
            count = length_at(count, now, step->kind == RESAMPLE_POLYPHASE, step->number, &up, &down);
            now = step->number;
        } else if (step->kind == KEEP_EVERY) {
            count = (count + step->index - 1) / step->index;
            now /= step->index;
        }
        if (count > wide) wide = count;
    }
    const long stride = wide + 2 * RECIPE_LARGEST_PAD;
    double *room = calloc((size_t)stride * (size_t)(leads + 1), sizeof(double));
    int *kept = calloc((size_t)leads, sizeof(int));
    int failed = !room || !kept;
    windows w = {failed ? NULL : room + RECIPE_LARGEST_PAD, NULL, stride, samples, samples, 0,
                 rate, rate, raw, kept};
    if (!failed) w.scratch = w.x + leads * stride;
    for (int lead = 0; lead < leads && !failed; lead++) {
        long missing = 0;
        double *row = w.x + w.rows * stride;
        for (long t = 0; t < samples; t++) {
            row[t] = raw[(long)lead * samples + t];
            missing += isnan(row[t]) != 0;
        }
        if (missing < samples) kept[w.rows++] = lead;
    }
    for (int k = 0; k < RECIPE_STEPS && !failed && w.rows; k++) failed = run_step(&w, &recipe_steps[k]);
    if (!failed) {
        pad(&w);
        for (long i = 0; i < (long)leads * RECIPE_SAMPLES; i++) out[i] = NAN;
        for (int k = 0; k < w.rows; k++)
            for (long t = 0; t < RECIPE_SAMPLES; t++)
                out[(long)kept[k] * RECIPE_SAMPLES + t] = (float)w.x[k * stride + t];
    }
    free(room);
    free(kept);
    return failed ? 1 : 0;
}

#ifdef CHECK
#include <stdio.h>

int main(void) {
    FILE *list = fopen("golden.txt", "r"), *raw_file = fopen("golden_raw.f32", "rb");
    FILE *wanted_file = fopen("golden_standardized.f32", "rb");
    if (!list || !raw_file || !wanted_file) return 1;
    int leads, samples, windows = 0;
    double rate, worst = 0.0;
    while (fscanf(list, "%d %d %lf", &leads, &samples, &rate) == 3) {
        const size_t size = (size_t)leads * (size_t)samples;
        const size_t result = (size_t)leads * RECIPE_SAMPLES;
        float *raw = malloc(size * 4), *out = malloc(result * 4), *wanted = malloc(result * 4);
        if (!raw || !out || !wanted || fread(raw, 4, size, raw_file) != size ||
            fread(wanted, 4, result, wanted_file) != result ||
            standardize(raw, leads, samples, rate, out) != 0)
            return 1;
        for (size_t i = 0; i < result; i++) {
            if (isnan(out[i]) != isnan(wanted[i])) return 1;
            if (!isnan(out[i]) && fabs((double)out[i] - wanted[i]) > worst)
                worst = fabs((double)out[i] - wanted[i]);
        }
        free(raw);
        free(out);
        free(wanted);
        windows++;
    }
    printf("%d windows, largest difference %.1e\n", windows, worst);
    return windows > 0 && worst <= 1e-4 ? 0 : 1;
}
#endif
