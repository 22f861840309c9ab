/* Spectra of leads: the power of bands (signals/lead_metrics.py), and figures of what lies within
 * them (measurements/quality_features.py), where NumPy does the same.
 *
 * A real transform of `samples` (even, made of 2, 3 and 5) is a complex one of half the length, of
 * the even samples and the odd ones (Sorensen et al., IEEE Trans ASSP 35:849, 1987). The complex
 * one is Stockham's: at every pass the values that are handled alike stand side by side, and the
 * leads beside one another, so that the inner loops are SIMD lanes. Sums are taken in another order
 * than NumPy's; every instruction set gives the same bits.
 */
#include "spectrum.h"

#include "order.h"
#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

#define BLOCK 16

#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* ---- complex transform ------------------------------------------------------------------------ */

typedef struct {
    double *re, *im;
} complex_rows;

/* The next factor of a length; 0: there is none that is known here. */
static int64_t factor_of(int64_t length) {
    return length % 4 == 0 ? 4 : length % 5 == 0 ? 5 : length % 3 == 0 ? 3 : length % 2 == 0 ? 2 : 0;
}

static int is_known(int64_t samples) {
    if (samples < 2 || samples % 2) return 0;
    int64_t left = samples / 2;
    while (left > 1) {
        const int64_t factor = factor_of(left);
        if (factor == 0) return 0;
        left /= factor;
    }
    return 1;
}

/* Value number K of a butterfly, turned. */
#define TURNED(K, REAL, IMAGINARY)                                 \
    {                                                              \
        const double real = (REAL), imaginary = (IMAGINARY);       \
        to_re[q + K * stride] = real * w[2 * K] - imaginary * w[2 * K + 1]; \
        to_im[q + K * stride] = real * w[2 * K + 1] + imaginary * w[2 * K]; \
    }

#define BUTTERFLY(NAME)                                                                           \
    static void NAME(const double *restrict re, const double *restrict im, double *restrict to_re, \
                     double *restrict to_im, int64_t apart, int64_t stride, const double *restrict w)

BUTTERFLY(of_two) {
    INDEPENDENT
    for (int64_t q = 0; q < stride; q++) {
        const double r0 = re[q], i0 = im[q], r1 = re[q + apart], i1 = im[q + apart];
        to_re[q] = r0 + r1;
        to_im[q] = i0 + i1;
        TURNED(1, r0 - r1, i0 - i1)
    }
}

BUTTERFLY(of_three) {
    const double half_root = 0.86602540378443864676; /* sine of 60 degrees */
    INDEPENDENT
    for (int64_t q = 0; q < stride; q++) {
        const double r0 = re[q], i0 = im[q], r1 = re[q + apart], i1 = im[q + apart];
        const double r2 = re[q + 2 * apart], i2 = im[q + 2 * apart];
        const double sum_re = r1 + r2, sum_im = i1 + i2;
        const double mid_re = r0 - 0.5 * sum_re, mid_im = i0 - 0.5 * sum_im;
        const double off_re = half_root * (r1 - r2), off_im = half_root * (i1 - i2);
        to_re[q] = r0 + sum_re;
        to_im[q] = i0 + sum_im;
        TURNED(1, mid_re + off_im, mid_im - off_re)
        TURNED(2, mid_re - off_im, mid_im + off_re)
    }
}

BUTTERFLY(of_four) {
    INDEPENDENT
    for (int64_t q = 0; q < stride; q++) {
        const double r0 = re[q], i0 = im[q], r1 = re[q + apart], i1 = im[q + apart];
        const double r2 = re[q + 2 * apart], i2 = im[q + 2 * apart];
        const double r3 = re[q + 3 * apart], i3 = im[q + 3 * apart];
        const double even_re = r0 + r2, even_im = i0 + i2, odd_re = r1 + r3, odd_im = i1 + i3;
        const double mid_re = r0 - r2, mid_im = i0 - i2, off_re = r1 - r3, off_im = i1 - i3;
        to_re[q] = even_re + odd_re;
        to_im[q] = even_im + odd_im;
        TURNED(1, mid_re + off_im, mid_im - off_re)
        TURNED(2, even_re - odd_re, even_im - odd_im)
        TURNED(3, mid_re - off_im, mid_im + off_re)
    }
}

BUTTERFLY(of_five) {
    /* Cosines and sines of 72 and 144 degrees. */
    const double c1 = 0.30901699437494742410, c2 = -0.80901699437494742410;
    const double s1 = 0.95105651629515357212, s2 = 0.58778525229247312917;
    INDEPENDENT
    for (int64_t q = 0; q < stride; q++) {
        const double r0 = re[q], i0 = im[q], r1 = re[q + apart], i1 = im[q + apart];
        const double r2 = re[q + 2 * apart], i2 = im[q + 2 * apart];
        const double r3 = re[q + 3 * apart], i3 = im[q + 3 * apart];
        const double r4 = re[q + 4 * apart], i4 = im[q + 4 * apart];
        const double near_re = r1 + r4, near_im = i1 + i4, far_re = r2 + r3, far_im = i2 + i3;
        const double near_off_re = r1 - r4, near_off_im = i1 - i4;
        const double far_off_re = r2 - r3, far_off_im = i2 - i3;
        const double one_re = r0 + c1 * near_re + c2 * far_re;
        const double one_im = i0 + c1 * near_im + c2 * far_im;
        const double two_re = r0 + c2 * near_re + c1 * far_re;
        const double two_im = i0 + c2 * near_im + c1 * far_im;
        const double one_off_re = s1 * near_off_re + s2 * far_off_re;
        const double one_off_im = s1 * near_off_im + s2 * far_off_im;
        const double two_off_re = s2 * near_off_re - s1 * far_off_re;
        const double two_off_im = s2 * near_off_im - s1 * far_off_im;
        to_re[q] = r0 + near_re + far_re;
        to_im[q] = i0 + near_im + far_im;
        TURNED(1, one_re + one_off_im, one_im - one_off_re)
        TURNED(2, two_re + two_off_im, two_im - two_off_re)
        TURNED(3, two_re - two_off_im, two_im + two_off_re)
        TURNED(4, one_re - one_off_im, one_im + one_off_re)
    }
}

/* The sum over n of x[n] e^(-2 pi i k n / length) for rows that stand side by side, (length, lanes).
 * Returns where the result stands: in x or in spare, which are both written over. With real and
 * imaginary parts exchanged in x and in the result it is the way back, times the length. */
static complex_rows transform(complex_rows x, complex_rows spare, int64_t length, int64_t lanes,
                              const double *turns, int64_t samples) {
    int64_t left = length, stride = lanes;
    while (left > 1) {
        const int64_t factor = factor_of(left), parts = left / factor, step = samples / left;
        for (int64_t p = 0; p < parts; p++) {
            double w[10];
            for (int64_t k = 1; k < factor; k++) {
                w[2 * k] = turns[2 * p * k * step];
                w[2 * k + 1] = turns[2 * p * k * step + 1];
            }
            const int64_t from = p * stride, to = factor * p * stride, apart = parts * stride;
#define TAKE(NAME) NAME(x.re + from, x.im + from, spare.re + to, spare.im + to, apart, stride, w)
            switch (factor) {
                case 2: TAKE(of_two); break;
                case 3: TAKE(of_three); break;
                case 4: TAKE(of_four); break;
                default: TAKE(of_five);
            }
#undef TAKE
        }
        const complex_rows done = spare;
        spare = x;
        x = done;
        left = parts;
        stride *= factor;
    }
    return x;
}

/* ---- real rows -------------------------------------------------------------------------------- */

/* Put rows (lanes, 2 half) side by side: even samples are real parts, odd ones imaginary. In blocks,
 * that what is written stays near. */
static void put(const double *rows, int64_t half, int64_t lanes, complex_rows to) {
    for (int64_t start = 0; start < half; start += BLOCK) {
        const int64_t end = smaller(start + BLOCK, half);
        for (int64_t lane = 0; lane < lanes; lane++) {
            const double *x = rows + lane * 2 * half;
            for (int64_t i = start; i < end; i++) {
                to.re[i * lanes + lane] = x[2 * i];
                to.im[i * lanes + lane] = x[2 * i + 1];
            }
        }
    }
}

/* The other way, divided by the number of values. */
static void take(complex_rows from, int64_t half, int64_t lanes, double *rows) {
    const double share = 1.0 / (double)half;
    for (int64_t start = 0; start < half; start += BLOCK) {
        const int64_t end = smaller(start + BLOCK, half);
        for (int64_t lane = 0; lane < lanes; lane++) {
            double *x = rows + lane * 2 * half;
            for (int64_t i = start; i < end; i++) {
                x[2 * i] = from.re[i * lanes + lane] * share;
                x[2 * i + 1] = from.im[i * lanes + lane] * share;
            }
        }
    }
}

/* Bins 0 to before `bins` of the spectrum of rows from the transform of their halves. */
static void spectra(complex_rows z, int64_t half, int64_t lanes, const double *turns, int64_t bins,
                    complex_rows out) {
    for (int64_t k = 0; k < bins; k++) {
        const int64_t here = k % half * lanes, there = (half - k) % half * lanes;
        const double c = turns[2 * k], s = turns[2 * k + 1];
        const double *restrict a_re = z.re + here, *restrict a_im = z.im + here;
        const double *restrict b_re = z.re + there, *restrict b_im = z.im + there;
        double *restrict re = out.re + k * lanes, *restrict im = out.im + k * lanes;
        INDEPENDENT
        for (int64_t lane = 0; lane < lanes; lane++) {
            const double even_re = 0.5 * (a_re[lane] + b_re[lane]);
            const double even_im = 0.5 * (a_im[lane] - b_im[lane]);
            const double odd_re = 0.5 * (a_im[lane] + b_im[lane]);
            const double odd_im = 0.5 * (b_re[lane] - a_re[lane]);
            re[lane] = even_re + (odd_re * c - odd_im * s);
            im[lane] = even_im + (odd_re * s + odd_im * c);
        }
    }
}

/* What spectra() did, the other way, of bins from `first` to before `last`; the others are 0. */
static void halves(complex_rows spectrum, int64_t first, int64_t last, int64_t half, int64_t lanes,
                   const double *turns, complex_rows z) {
    memset(z.re, 0, (size_t)(half * lanes) * sizeof *z.re);
    memset(z.im, 0, (size_t)(half * lanes) * sizeof *z.im);
    for (int64_t k = first; k < last; k++) {
        const double c = turns[2 * k], s = turns[2 * k + 1];
        const double *re = spectrum.re + k * lanes, *im = spectrum.im + k * lanes;
        double *at_re = z.re + k % half * lanes, *at_im = z.im + k % half * lanes;
        /* Times 1 + i e^(2 pi i k / samples) = (1 + s) + i c. */
        for (int64_t lane = 0; lane < lanes; lane++) {
            at_re[lane] += 0.5 * (re[lane] * (1.0 + s) - im[lane] * c);
            at_im[lane] += 0.5 * (re[lane] * c + im[lane] * (1.0 + s));
        }
        if (k == 0 || k == half) continue;
        /* The bin above the middle is the conjugate: times 1 + i e^(-2 pi i k / samples). */
        at_re = z.re + (half - k) * lanes;
        at_im = z.im + (half - k) * lanes;
        for (int64_t lane = 0; lane < lanes; lane++) {
            at_re[lane] += 0.5 * (re[lane] * (1.0 - s) + im[lane] * c);
            at_im[lane] += 0.5 * (re[lane] * c - im[lane] * (1.0 - s));
        }
    }
}

/* Sums over bins from `first` to before `last` of the squared spectrum, one for every lane. */
static void power_between(complex_rows spectrum, int64_t first, int64_t last, int64_t lanes,
                          double *sum) {
    for (int64_t lane = 0; lane < lanes; lane++) sum[lane] = 0.0;
    for (int64_t k = first; k < last; k++) {
        const double *re = spectrum.re + k * lanes, *im = spectrum.im + k * lanes;
        for (int64_t lane = 0; lane < lanes; lane++)
            sum[lane] += re[lane] * re[lane] + im[lane] * im[lane];
    }
}

/* A piece of memory for LANES rows, two transforms and a spectrum; NULL: there is none. */
static double *make_spectra(int64_t half, complex_rows *x, complex_rows *spare,
                            complex_rows *spectrum) {
    const int64_t each = half * LANES, bins = (half + 1) * LANES;
    double *rows = malloc((size_t)(6 * each + 2 * bins) * sizeof *rows);
    if (rows == NULL) return NULL;
    double *room = rows + 2 * each;
    *x = (complex_rows){room, room + each};
    *spare = (complex_rows){room + 2 * each, room + 3 * each};
    *spectrum = (complex_rows){room + 4 * each, room + 4 * each + bins};
    return rows;
}

static int is_within(const int64_t *band, int64_t half) {
    return 0 <= band[0] && band[0] <= band[1] && band[1] <= half + 1;
}

/* ---- the power of bands ----------------------------------------------------------------------- */

/* 0: done; 1: no memory; 2: a length that is not transformed here, or bins that are not there. */
int JOIN(ecgfoundry_band_power, INSTRUCTIONS)(const ecgfoundry_band_power_job *job) {
    const int64_t samples = job->samples, half = samples / 2;
    if (!is_known(samples)) return 2;
    for (int64_t k = 0; k < job->bands; k++)
        if (!is_within(job->band + 2 * k, half)) return 2;
    complex_rows x, spare, spectrum;
    double *rows = make_spectra(half, &x, &spare, &spectrum);
    if (rows == NULL) return 1;
    for (int64_t start = 0; start < job->rows; start += LANES) {
        const int64_t lanes = smaller(LANES, job->rows - start);
        for (int64_t lane = 0; lane < lanes; lane++) {
            const double *from = job->input + (start + lane) * samples;
            const double mean = sum_of(from, samples) / (double)samples;
            double *row = rows + lane * samples;
            for (int64_t i = 0; i < samples; i++) row[i] = (from[i] - mean) * job->taper[i];
        }
        put(rows, half, lanes, x);
        const complex_rows done = transform(x, spare, half, lanes, job->turns, samples);
        spectra(done, half, lanes, job->turns, half + 1, spectrum);
        for (int64_t k = 0; k < job->bands; k++) {
            double sum[LANES];
            power_between(spectrum, job->band[2 * k], job->band[2 * k + 1], lanes, sum);
            for (int64_t lane = 0; lane < lanes; lane++)
                job->power[(start + lane) * job->bands + k] = sum[lane];
        }
    }
    free(rows);
    return 0;
}

/* ---- figures of leads ------------------------------------------------------------------------- */

/* Load a row with 0 for what is missing, measure its steps and extremes, and bring its ends to one
 * level. Returns 0 where numbers are too large. */
static int begin_lead(const ecgfoundry_lead_features_job *job, int64_t row, double *x,
                      order_room *room) {
    const int64_t samples = job->samples;
    double *figures = job->figures + row * LEAD_FIGURES, low, high;
    load(job->input, job->dtype, row * job->row_stride, samples, x);
    for (int64_t i = 0; i < samples; i++) x[i] = isfinite(x[i]) ? x[i] : 0.0;
    extremes(x, samples, &low, &high);
    if (!(high - low < 1e30)) return 0; /* its fourth power is finite */
    const double middle = median_of(x, samples, room);
    figures[LARGEST] = high - middle > middle - low ? high - middle : middle - low;
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES < samples; i += LANES)
        for (int k = 0; k < LANES; k++) {
            const double step = fabs(x[i + k + 1] - x[i + k]);
            lane[k] = step > lane[k] ? step : lane[k];
        }
    for (; i + 1 < samples; i++) {
        const double step = fabs(x[i + 1] - x[i]);
        lane[0] = step > lane[0] ? step : lane[0];
    }
    double steepest = lane[0];
    for (int k = 1; k < LANES; k++) steepest = lane[k] > steepest ? lane[k] : steepest;
    figures[STEEPEST] = steepest * job->rate;
    const double first = x[0] - middle, last = x[samples - 1] - middle;
    const double slope = (last - first) / (double)larger(1, samples - 1);
    for (i = 0; i + 1 < samples; i++) x[i] = x[i] - middle - ((double)i * slope + first);
    x[samples - 1] = 0.0;
    return 1;
}

static double squares_about(const double *x, int64_t count, double mean) {
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += (x[i + k] - mean) * (x[i + k] - mean);
    for (; i < count; i++) lane[0] += (x[i] - mean) * (x[i] - mean);
    return together(lane);
}

static double deviation(const double *x, int64_t count) {
    const double mean = sum_of(x, count) / (double)count;
    return sqrt(squares_about(x, count, mean) / (double)count);
}

static double kurtosis(const double *x, int64_t count) {
    const double mean = sum_of(x, count) / (double)count;
    double fourth[LANES] = {0}, second[LANES] = {0};
    for (int64_t start = 0; start < count; start += LANES) {
        const int64_t lanes = smaller(LANES, count - start);
        for (int64_t k = 0; k < lanes; k++) {
            const double square = (x[start + k] - mean) * (x[start + k] - mean);
            second[k] += square;
            fourth[k] += square * square;
        }
    }
    const double variance = together(second) / (double)count, least = 1e-12;
    const double squared = variance * variance;
    return together(fourth) / (double)count / (squared > least ? squared : least) - 3.0;
}

/* Figures of the ECG's band; `spare` has room for two numbers of every piece. */
static void of_middle(const ecgfoundry_lead_features_job *job, const double *x, double *spare,
                      double *figures) {
    double *ranges = spare, most = 0.0, loudest = -INFINITY, quietest = INFINITY;
    int64_t still = 0;
    for (int64_t k = 0; k < job->pieces; k++) {
        double low, high;
        extremes(x + k * job->piece, job->piece, &low, &high);
        ranges[k] = high - low;
        still += ranges[k] < job->still;
        most = ranges[k] > most ? ranges[k] : most;
        const double here = deviation(x + k * job->piece, job->piece);
        loudest = here > loudest ? here : loudest;
        quietest = here < quietest ? here : quietest;
    }
    figures[STILL] = (double)still / (double)job->pieces;
    figures[LOUDEST] = loudest;
    figures[QUIETEST] = quietest;
    figures[UNEVEN] = most / (middle_of(ranges, job->pieces) + job->least_range);
    figures[KURTOSIS] = kurtosis(x, job->samples);
}

/* What lies in the bins before job->slow, sample by sample, (lanes, samples). They are few, so that
 * they are added up; the samples before and behind the middle share their cosines and sines. */
static void slow_part(const ecgfoundry_lead_features_job *job, complex_rows spectrum, int64_t lanes,
                      double *rows) {
    const int64_t samples = job->samples;
    const double share = 2.0 / (double)samples;
    for (int64_t i = 0; i <= samples / 2; i++) {
        double even[LANES] = {0}, odd[LANES] = {0};
        int64_t turn = 0;
        for (int64_t k = 1; k < job->slow; k++) {
            turn += i;
            turn -= turn >= samples ? samples : 0;
            const double c = job->turns[2 * turn], s = job->turns[2 * turn + 1];
            const double *re = spectrum.re + k * lanes, *im = spectrum.im + k * lanes;
            for (int64_t lane = 0; lane < lanes; lane++) {
                even[lane] += re[lane] * c;
                odd[lane] += im[lane] * s;
            }
        }
        for (int64_t lane = 0; lane < lanes; lane++) {
            rows[lane * samples + i] = (even[lane] + odd[lane]) * share;
            if (i > 0) rows[lane * samples + samples - i] = (even[lane] - odd[lane]) * share;
        }
    }
}

/* Figures of what is slow, from any level. */
static void of_slow(const ecgfoundry_lead_features_job *job, const double *x, double *spare,
                    double *figures) {
    double low, high;
    for (int64_t k = 0; k < job->pieces; k++)
        spare[k] = sum_of(x + k * job->piece, job->piece) / (double)job->piece;
    figures[DRIFT] = deviation(spare, job->pieces);
    extremes(x, job->samples, &low, &high);
    figures[WANDER] = high - low;
}

/* Root of the mean square of what lies in bins; the mean of all is left out. */
static void deviations(const ecgfoundry_lead_features_job *job, complex_rows spectrum, int64_t first,
                       int64_t last, int64_t start, int64_t lanes, int figure) {
    double sum[LANES];
    power_between(spectrum, larger(first, 1), last, lanes, sum);
    const double share = 2.0 / ((double)job->samples * (double)job->samples);
    for (int64_t lane = 0; lane < lanes; lane++)
        job->figures[(start + lane) * LEAD_FIGURES + figure] = sqrt(sum[lane] * share);
}

/* 0: done; 1: no memory; 2: a length that is not transformed here, or numbers that are too large;
 * 4: other figures are meant. */
int JOIN(ecgfoundry_lead_features, INSTRUCTIONS)(const ecgfoundry_lead_features_job *job) {
    const int64_t samples = job->samples, half = samples / 2;
    if (job->row != LEAD_FIGURES) return 4;
    if (!is_known(samples) || samples > INT32_MAX || job->piece < 1 || job->pieces < 1 ||
        job->piece > samples / job->pieces || !is_within(job->middle, half) ||
        !is_within(job->qrs, half) || !is_within(job->above, half) || job->slow < 0 ||
        job->slow > half)
        return 2;
    complex_rows x, spare, spectrum;
    order_room order;
    double *pieces;
    double *rows = make_spectra(half, &x, &spare, &spectrum);
    char *memory = make_room(samples, 1, &pieces, &order);
    if (rows == NULL || memory == NULL) {
        free(rows);
        free(memory);
        return 1;
    }
    const int64_t lower = larger(job->middle[1], job->qrs[1]);
    const int64_t bins = larger(lower, larger(job->above[1], job->slow));
    int code = 0;
    for (int64_t start = 0; start < job->rows; start += LANES) {
        const int64_t lanes = smaller(LANES, job->rows - start);
        for (int64_t lane = 0; lane < lanes && code == 0; lane++)
            if (!begin_lead(job, start + lane, rows + lane * samples, &order)) code = 2;
        if (code != 0) break;
        put(rows, half, lanes, x);
        complex_rows done = transform(x, spare, half, lanes, job->turns, samples);
        spectra(done, half, lanes, job->turns, bins, spectrum);
        deviations(job, spectrum, job->middle[0], job->middle[1], start, lanes, LEVEL);
        deviations(job, spectrum, job->qrs[0], job->qrs[1], start, lanes, QRS_BAND);
        deviations(job, spectrum, job->above[0], job->above[1], start, lanes, ABOVE);
        deviations(job, spectrum, 0, job->slow, start, lanes, BELOW);
        double *figures = job->figures + start * LEAD_FIGURES;
        halves(spectrum, job->middle[0], job->middle[1], half, lanes, job->turns, x);
        done = transform((complex_rows){x.im, x.re}, spare, half, lanes, job->turns, samples);
        take((complex_rows){done.im, done.re}, half, lanes, rows);
        for (int64_t lane = 0; lane < lanes; lane++)
            of_middle(job, rows + lane * samples, pieces, figures + lane * LEAD_FIGURES);
        slow_part(job, spectrum, lanes, rows);
        for (int64_t lane = 0; lane < lanes; lane++)
            of_slow(job, rows + lane * samples, pieces, figures + lane * LEAD_FIGURES);
    }
    free(rows);
    free(memory);
    return code;
}
