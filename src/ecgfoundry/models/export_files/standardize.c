/* Raw ECG windows to model input: the recipe of this model (recipe.h), in plain C99.
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
static int subtract_median(double *x, long samples) {
    const int kernel = RECIPE_MEDIAN, half = kernel / 2;
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

static void resample_linear(const double *x, long samples, double rate, double *y, long length) {
    for (long k = 0; k < length; k++) {
        double at = (double)k * (rate / RECIPE_WORKING_RATE);
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

/* Low-pass (Kaiser window, beta 5) and the samples at times k / RECIPE_WORKING_RATE. */
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

static void scale_rows(double *x, long stride, long count, int rows, int each) {
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
        double factor = 1.0 / (deviation + RECIPE_EPSILON);
        if (each) factor = deviation < RECIPE_EPSILON ? 0.0 : 1.0 / deviation;
        for (int row = first; row < end; row++)
            for (long t = 0; t < count; t++) x[row * stride + t] = (x[row * stride + t] - mean) * factor;
    }
}

int standardize(const float *raw, int leads, int samples, double rate, float *out) {
    long up = 1, down = 1, working = (long)rint(samples * RECIPE_WORKING_RATE / rate);
    if (RECIPE_POLYPHASE && rate != RECIPE_WORKING_RATE) {
        small_ratio(rate, RECIPE_WORKING_RATE, &up, &down);
        working = ((long)samples * up + down - 1) / down;
    }
    if (rate == RECIPE_WORKING_RATE) working = samples;
    if ((double)samples > RECIPE_WINDOW_S * rate + 0.5 || samples < rate) return 2;
    const long longest = working > RECIPE_SAMPLES * RECIPE_DECIMATION
                             ? working : RECIPE_SAMPLES * RECIPE_DECIMATION;
    const long wide = longest > samples ? longest : samples;
    const long stride = wide + 2 * RECIPE_LARGEST_PAD;
    double *room = calloc((size_t)stride * (size_t)(leads + 1), sizeof(double));
    int *kept = calloc((size_t)leads, sizeof(int));
    int rows = 0, failed = !room || !kept;
    double *x = failed ? NULL : room + RECIPE_LARGEST_PAD, *scratch = failed ? NULL : x + leads * stride;
    for (int lead = 0; lead < leads && !failed; lead++) {
        long missing = 0;
        double *row = x + rows * stride;
        for (long t = 0; t < samples; t++) {
            row[t] = raw[(long)lead * samples + t];
            missing += isnan(row[t]) != 0;
            if (!RECIPE_BRIDGE && isnan(row[t])) row[t] = 0.0;
        }
        if (missing == samples) continue;
        if (RECIPE_BRIDGE) bridge_gaps(row, samples);
        kept[rows++] = lead;
    }
    if (!failed && rows && RECIPE_SCALE_FIRST) scale_rows(x, stride, samples, rows, RECIPE_EACH);
    for (int k = 0; k < rows && !failed; k++) {
        double *row = x + k * stride;
        if (rate != RECIPE_WORKING_RATE) {
            if (RECIPE_POLYPHASE) failed = resample_polyphase(row, samples, up, down, scratch, working);
            else resample_linear(row, samples, rate, scratch, working);
            memcpy(row, scratch, (size_t)working * sizeof(double));
        }
        for (long t = 0; t < working; t++) row[t] = (double)(float)row[t];
        for (int f = 0; f < RECIPE_FILTERS; f++) zero_phase(row, working, f);
        if (RECIPE_MEDIAN && !failed) failed = subtract_median(row, working);
        for (long t = 0; t * RECIPE_DECIMATION < working; t++) row[t] = row[t * RECIPE_DECIMATION];
    }
    long count = (working + RECIPE_DECIMATION - 1) / RECIPE_DECIMATION;
    if (RECIPE_PAD_FIRST && count < RECIPE_SAMPLES) {
        for (int k = 0; k < rows; k++)
            for (long t = count; t < RECIPE_SAMPLES; t++) x[k * stride + t] = 0.0;
        count = RECIPE_SAMPLES;
    }
    if (!failed && rows && !RECIPE_SCALE_FIRST) scale_rows(x, stride, count, rows, RECIPE_EACH);
    for (long i = 0; i < (long)leads * RECIPE_SAMPLES && !failed; i++) out[i] = NAN;
    for (int k = 0; k < rows && !failed; k++)
        for (long t = 0; t < RECIPE_SAMPLES; t++) {
            double value = t < count ? x[k * stride + t] : 0.0;
            if (RECIPE_CLIP > 0.0 && value > RECIPE_CLIP) value = RECIPE_CLIP;
            if (RECIPE_CLIP > 0.0 && value < -RECIPE_CLIP) value = -RECIPE_CLIP;
            if (RECIPE_BRIDGE && t < count) {
                long source = (long)rint((double)t * (rate / RECIPE_RATE));
                if (source > samples - 1) source = samples - 1;
                if (isnan(raw[(long)kept[k] * samples + source])) value = 0.0;
            }
            out[(long)kept[k] * RECIPE_SAMPLES + t] = (float)value;
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
