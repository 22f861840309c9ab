/* Random jobs for the kernels, to be run under -fsanitize=address,undefined: every array has exactly
 * the size that the interface promises. Prints the number of jobs. */
#include "detection.h"
#include "filters.h"
#include "quality.h"
#include "recognition.h"
#include "spectrum.h"
#include "standardize.h"
#include "waves.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ecgfoundry_standardize(const ecgfoundry_job *, int);
int ecgfoundry_quality(const ecgfoundry_quality_job *, int);
int ecgfoundry_limb(const ecgfoundry_limb_job *, int);
int ecgfoundry_sections(const ecgfoundry_sections_job *, int);
int ecgfoundry_correlate(const ecgfoundry_correlate_job *, int);
int ecgfoundry_medians(const ecgfoundry_medians_job *, int);
int ecgfoundry_waves(const ecgfoundry_waves_job *, int);
int ecgfoundry_recognition(const ecgfoundry_recognition_job *, int);
int ecgfoundry_noise(const ecgfoundry_noise_job *, int);
int ecgfoundry_detection(const ecgfoundry_detection_job *, int);
int ecgfoundry_refine(const ecgfoundry_refine_job *, int);
int ecgfoundry_band_power(const ecgfoundry_band_power_job *, int);
int ecgfoundry_lead_features(const ecgfoundry_lead_features_job *, int);
int ecgfoundry_instructions(void);

/* The quality gate on the same rows: figures of all, and the last leads against the first two. */
static void judge(const void *input, int64_t rows, int64_t samples, int64_t stride, int dtype,
                  int reach, int instructions) {
    double *filled = malloc(sizeof(double) * (size_t)(rows * samples));
    ecgfoundry_lead_figures *figures = malloc(sizeof *figures * (size_t)rows);
    ecgfoundry_quality_job job = {input, filled, figures, rows, samples, stride, 100, 0.02,
                                  20, reach, 0.25, 0.25, 50.0, dtype, 0};
    if (ecgfoundry_quality(&job, instructions) == 1) exit(1);
    int64_t order[65];
    double coefficient[130] = {0}, result[65];
    for (int64_t k = 0; k < rows; k++) order[k] = k;
    ecgfoundry_limb_job limb = {input, order, coefficient, result, rows - 2, samples, stride,
                                1 + reach * 20, dtype, 0};
    if (rows > 2 && ecgfoundry_limb(&limb, instructions) == 1) exit(1);
    free(filled);
    free(figures);
}

static unsigned state = 1;
static unsigned draw(unsigned below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static double *numbers(int64_t count, double middle, double spread) {
    double *x = malloc(sizeof(double) * (size_t)(count ? count : 1));
    for (int64_t i = 0; i < count; i++)
        x[i] = middle + spread * ((double)draw(2001) - 1000.0) / 1000.0;
    return x;
}

/* Filters and medians of rows, and the search for waves; refusals are answers, too. */
static void rows_and_waves(int instructions) {
    const int64_t rows = 1 + draw(14), samples = 1 + draw(300), sections = draw(6);
    double *x = numbers(rows * samples, 0.0, 1.0), *y = numbers(rows * samples, 0.0, 1.0);
    double *section = numbers(6 * sections, 0.0, 0.4), *steady = numbers(2 * sections, 0.0, 1.0);
    const ecgfoundry_sections_job both = {x, y, section, steady, rows, samples, draw(320), sections};
    if (ecgfoundry_sections(&both, instructions) == 1) exit(1);
    const int64_t reach = draw(40);
    double *weight = numbers(2 * reach + 1, 0.0, 1.0);
    const ecgfoundry_correlate_job pass = {x, y, weight, rows, samples, reach, draw(2) ? 1 : -1};
    if (ecgfoundry_correlate(&pass, instructions) == 1) exit(1);
    const ecgfoundry_medians_job middle = {x, y, 1, rows, samples};
    if (ecgfoundry_medians(&middle, instructions) == 1) exit(1);
    const int64_t leads = 1 + draw(4), beats = 1 + draw(4), width = 1 + draw(200);
    const int64_t low = draw(20), high = draw(4) ? width : low + draw(30), cells = leads * beats;
    const int64_t length = 1 + draw(400);
    double *piece = numbers(leads * length, 0.0, 1.0), *slope = numbers(leads * length, 0.0, 1.0);
    int64_t *at = malloc(sizeof *at * (size_t)beats);
    for (int64_t beat = 0; beat < beats; beat++) at[beat] = draw((int)length);
    double *first = numbers(cells, 10.0, 40.0), *last = numbers(cells, 100.0, 120.0);
    double *least = numbers(cells, 0.0, 0.1), *usual = numbers(beats * width, 0.5, 0.5);
    double *found = numbers(3 * cells, 0.0, 0.0);
    const ecgfoundry_waves_job wave = {
        piece, slope, at, first, last, least, draw(2) ? usual : NULL,
        found, found + cells, found + 2 * cells, leads, beats, length, draw((int)width), width, low,
        high, 1 + draw(40),
        8.0, 15.0, 25.0, 25.0, 0.4, 0.5, draw(2) ? 40.0 : -1.0, 0.45, 0.5};
    if (ecgfoundry_waves(&wave, instructions) == 1) exit(1);
    double *all[] = {x,     y,     section, steady, weight, piece, slope,
                     first, last,  least,   usual,  found};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
    free(at);
}

/* Beats compared with one another, in signals that are now and then flat. */
static void complexes(int instructions) {
    const int64_t leads = 1 + draw(4), samples = 1 + draw(700), most = 1 + draw(130);
    double *band = numbers(leads * samples, 0.0, draw(5) ? 1.0 : 0.0);
    double *coarse = numbers(leads * samples, 0.0, 1.0), *shares = numbers(leads, 0.5, 0.5);
    int64_t *beats = malloc(sizeof *beats * (size_t)most), count = 0;
    for (int64_t at = draw(90); at < samples && count < most; at += 1 + draw(90)) beats[count++] = at;
    int64_t *kept = malloc(sizeof *kept * (size_t)(count + 1));
    double *likeness = numbers(count * count, 0.0, 1.0), *figures = numbers(13, 0.0, 1.0);
    ecgfoundry_recognition_job job = {
        band, coarse, shares, beats, kept, likeness, figures, leads, samples, count, 0,
        1 + draw(60), draw(40), 1 + draw(40), 1 + draw(5), 9, 2, 12.0, 20.0, 0.1, 0.8, 80.0, 600.0,
        200.0, 1.0, 8.0, 15.0};
    if (ecgfoundry_recognition(&job, instructions) == 1) exit(1);
    uint8_t *alike = malloc((size_t)(count * count + 1));
    for (int64_t k = 0; k < count * count; k++) alike[k] = (uint8_t)draw(2);
    double *ratio = numbers(leads, 0.0, 0.0);
    ecgfoundry_noise_job noise = {band, beats, alike, ratio, leads, samples, count, draw(60),
                                  draw(100), draw(24), 14.0, 1e-6, 0};
    if (ecgfoundry_noise(&noise, instructions) == 1) exit(1);
    const int64_t hop = 1 + draw(200), blocks = samples / hop > 2 ? samples / hop - 1 : 1;
    double *feature = numbers(2 * samples, 0.0, 0.0), *weights = numbers(leads * blocks, 0.0, 0.0);
    ecgfoundry_detection_job energy = {
        band, feature, feature + samples, weights, shares, leads, samples, hop, blocks,
        {1 + draw(30), 1 + draw(20)}, 4, 8, 0.8, 1e-9, 0.05, 0.01, 0.0, 0};
    if (ecgfoundry_detection(&energy, instructions) == 1) exit(1);
    double *each = numbers(leads * count, 1.0, 0.5);
    const int64_t fine = draw(10);
    const ecgfoundry_refine_job refine = {coarse, draw(2) ? band : NULL, each, beats, leads,
                                          samples, samples, count, 1 + draw(3), draw(30), fine,
                                          fine + draw(60)};
    if (ecgfoundry_refine(&refine, instructions) == 1) exit(1);
    void *all[] = {band,    coarse, shares, beats,   kept,    likeness,
                   figures, alike,  ratio,  feature, weights, each};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
}

/* Spectra of the same rows, and of a length of 2, 3 and 5; bins that are not there are refused. */
static void spectra(const void *input, int64_t rows, int64_t samples, int64_t stride, int dtype,
                    int instructions) {
    const int64_t lengths[] = {samples, 2, 6, 8, 10, 24, 30};
    for (int k = 0; k < 7; k++) {
        const int64_t length = lengths[k], bins = length / 2 + 1;
        if (length > samples) continue;
        double *turns = numbers(2 * length, 0.0, 1.0), *taper = numbers(length, 0.5, 0.5);
        double *x = numbers(rows * length, 0.0, 1.0);
        double *power = malloc(sizeof(double) * (size_t)(rows * 2));
        double *figures = malloc(sizeof(double) * (size_t)(rows * LEAD_FIGURES));
        const int64_t first = draw((unsigned)bins), last = first + draw((unsigned)(bins - first + 2));
        const int64_t band[4] = {0, bins, first, last};
        const ecgfoundry_band_power_job job = {x, turns, taper, band, power, rows, length, 2};
        if (ecgfoundry_band_power(&job, instructions) == 1) exit(1);
        const int64_t piece = 1 + draw((unsigned)length);
        const ecgfoundry_lead_features_job leads = {
            input, turns, figures, rows, length, stride, LEAD_FIGURES, piece, length / piece,
            {first, last}, {0, bins}, {first, bins}, draw((unsigned)bins + 1), 500.0, 0.05, 0.01,
            dtype, 0};
        if (ecgfoundry_lead_features(&leads, instructions) == 1) exit(1);
        free(turns);
        free(taper);
        free(x);
        free(power);
        free(figures);
    }
}

int main(void) {
    int jobs = 0;
    for (; jobs < 250; jobs++) {
        const int64_t windows = draw(5), leads = 1 + draw(13), samples = 30 + draw(400);
        const int resample = draw(2), dtype = (int)draw(3);
        const int64_t working = resample ? 30 + draw(500) : samples;
        const int64_t output_samples = 1 + draw(700), stride = samples + draw(9);
        const size_t unit = dtype == 0 ? 4 : dtype == 1 ? 8 : 2;
        const size_t total = (size_t)(windows * leads * stride - (stride - samples));
        char *input = malloc(windows ? total * unit : 1);
        for (size_t i = 0; windows && i < total; i++) {
            double value = draw(20) ? ((double)draw(2000) - 1000.0) / 100.0 : draw(2) ? NAN : 0.0;
            if (draw(5000) == 0) value = draw(2) ? INFINITY : 1e300;
            const unsigned shape = draw(3);
            if (shape == 0 && i % (size_t)stride > 50) value = 1e-30;
            float single = (float)value;
            int16_t integer = (int16_t)(value == value && fabs(value) < 100 ? value * 100 : 0);
            memcpy(input + i * unit, dtype == 0 ? (void *)&single : dtype == 1 ? (void *)&value : (void *)&integer, unit);
        }
        int64_t *starts = malloc(sizeof(int64_t) * (size_t)(windows + 1));
        for (int64_t k = 0; k < windows; k++) starts[k] = k * leads * stride;
        int64_t *left = malloc(sizeof(int64_t) * (size_t)working);
        double *fraction = malloc(sizeof(double) * (size_t)working);
        for (int64_t t = 0; t < working; t++) {
            double at = (double)t * (double)samples / (double)working;
            if (at > (double)(samples - 1)) at = (double)(samples - 1);
            left[t] = (int64_t)at;
            fraction[t] = at - (double)left[t];
        }
        float *output = malloc(sizeof(float) * (size_t)(windows * leads * output_samples + 1));
        ecgfoundry_filter filters[2];
        memset(filters, 0, sizeof filters);
        filters[0].sections = 1;
        filters[0].pad = 9;
        double notch[6] = {0.99, -1.6, 0.99, 1.0, -1.6, 0.98};
        memcpy(filters[0].section[0], notch, sizeof notch);
        filters[1].kind = ECGFOUNDRY_BAND_PASS;
        filters[1].sections = 1 + (int)draw(4);
        filters[1].pad = draw(29);
        filters[1].gain = 0.1;
        for (int k = 0; k < filters[1].sections; k++) {
            double pass[6] = {1.0, 0.0, -1.0, 1.0, -1.9, 0.95};
            memcpy(filters[1].section[k], pass, sizeof pass);
        }
        ecgfoundry_job job;
        memset(&job, 0, sizeof job);
        job.input = input;
        job.output = output;
        job.starts = starts;
        job.left = resample ? left : NULL;
        job.fraction = resample ? fraction : NULL;
        job.filters = filters;
        job.windows = windows;
        job.leads = leads;
        job.samples = samples;
        job.lead_stride = stride;
        job.working = working;
        job.output_samples = output_samples;
        job.median_half = draw(3) ? draw(120) : 0;
        job.decimation = 1 + draw(3);
        job.gain = 0.005;
        job.epsilon = 1e-8;
        job.clip = draw(2) ? 15.0 : 0.0;
        job.dtype = dtype;
        job.filter_count = (int)draw(3);
        job.scaling = (int)draw(3);
        for (int set = 0; set <= ecgfoundry_instructions(); set++)
            if (ecgfoundry_standardize(&job, set) != 0) return 1;
        for (int set = 0; windows && dtype < 2 && set <= ecgfoundry_instructions(); set++) {
            judge(input, windows * leads, samples, stride, dtype, (int)draw(4), set);
            spectra(input, windows * leads, samples, stride, dtype, set);
        }
        for (int set = 0; set <= ecgfoundry_instructions(); set++) {
            rows_and_waves(set);
            complexes(set);
        }
        job.median_half = 40000; /* more than 16 bits of ranks: refused, not computed */
        if (ecgfoundry_standardize(&job, 0) != 2) return 1;
        free(input);
        free(starts);
        free(left);
        free(fraction);
        free(output);
    }
    printf("%d\n", jobs);
    return 0;
}
