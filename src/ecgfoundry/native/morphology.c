/* The waves of every lead of a median beat: measurements/morphology.py, where it is described, does
 * the same lead by lead in NumPy. */
#include "morphology.h"

#include "order.h"

#include <math.h>
#include <stdlib.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

typedef struct {
    int64_t begin, end, peak; /* columns from begin to before end */
    double height;            /* signed, mV */
} part;

static int64_t rounded(double value) { return (int64_t)rint(value); }

static double most(double a, double b) { return a > b ? a : b; }

static int64_t highest(const double *x, int64_t begin, int64_t end, double sign) {
    int64_t best = begin;
    for (int64_t i = begin + 1; i < end; i++)
        if (sign * x[i] > sign * x[best]) best = i;
    return best;
}

static int64_t largest(const double *x, int64_t begin, int64_t end) {
    int64_t best = begin;
    for (int64_t i = begin + 1; i < end; i++)
        if (fabs(x[i]) > fabs(x[best])) best = i;
    return best;
}

/* How deep a row falls between two of its peaks, less the lower peak, and where. */
static double deepest_dip(const double *x, int64_t count, double sign, double *right,
                          int64_t *place) {
    *place = 0;
    if (count < 3) return 0.0;
    right[count - 1] = sign * x[count - 1];
    for (int64_t i = count - 2; i >= 0; i--) right[i] = most(right[i + 1], sign * x[i]);
    double left = -INFINITY, deepest = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        left = most(left, sign * x[i]);
        const double dip = (left < right[i] ? left : right[i]) - sign * x[i];
        if (dip > deepest) {
            deepest = dip;
            *place = i;
        }
    }
    return deepest;
}

/* ---- QRS -------------------------------------------------------------------------------------- */

/* Cut the complex where it crosses the level before it; small parts join their neighbours. */
static int64_t parts_of(const ecgfoundry_morphology_job *job, const double *x, int64_t first,
                        int64_t last, part *found) {
    const double least = job->least_wave_s * job->rate;
    int64_t count = 0;
    for (int64_t begin = first, end; begin <= last; begin = end) {
        for (end = begin + 1; end <= last; end++)
            if ((x[end] > 0) - (x[end] < 0) != (x[begin] > 0) - (x[begin] < 0)) break;
        const int64_t peak = largest(x, begin, end);
        const double height = x[peak];
        if (fabs(height) < job->least_wave_mv || (double)(end - begin) < least) continue;
        part *before = count > 0 ? found + count - 1 : NULL;
        if (before != NULL && (before->height > 0) == (height > 0)) {
            before->end = end;
            if (fabs(height) > fabs(before->height)) {
                before->peak = peak;
                before->height = height;
            }
            continue;
        }
        found[count++] = (part){begin, end, peak, height};
    }
    return count;
}

/* The last peak of a wave up that is notched, else its only one. */
static int64_t last_peak(const ecgfoundry_morphology_job *job, const double *x, part wave,
                         double *right) {
    const double deep = most(job->notch_mv, job->notch_share * fabs(wave.height));
    const int64_t count = wave.end - wave.peak;
    const double *rest = x + wave.peak;
    right[count - 1] = rest[count - 1];
    for (int64_t i = count - 2; i >= 0; i--) right[i] = most(right[i + 1], rest[i]);
    for (int64_t i = count - 1; i >= 0; i--)
        if (right[i] - rest[i] >= deep && right[i] >= job->second_peak_share * rest[0])
            return highest(x, wave.peak + i, wave.end, 1.0);
    return wave.peak;
}

/* The duration of a slow first part of the upstroke (or downstroke), ms. */
static double slur(const ecgfoundry_morphology_job *job, const double *x, int64_t first,
                   const part *waves, int64_t count) {
    double top = 0.0;
    for (int64_t k = 0; k < count; k++) top = most(top, fabs(waves[k].height));
    const part wave = waves[0];
    const double height = fabs(wave.height), sign = wave.height > 0 ? 1.0 : -1.0;
    if (height < 0.5 * top) return NAN; /* Q before R: the wave does not begin with the complex */
    const double *limb = x + first;
    const int64_t size = wave.peak + 1 - first;
    const int64_t reach = larger(1, rounded(job->slope_s * job->rate));
    if (size < 3 * reach) return NAN;
    double steepest = -INFINITY;
    for (int64_t i = reach; i < size; i++)
        steepest = most(steepest, sign * limb[i] - sign * limb[i - reach]);
    int64_t slow = -1, begun = -1;
    for (int64_t i = reach; i < size && slow < 0; i++)
        if (sign * limb[i] - sign * limb[i - reach] >= job->delta_slope_share * steepest)
            slow = i - reach + reach / 2;
    for (int64_t i = 0; i < size && begun < 0; i++)
        if (sign * limb[i] >= most(job->least_wave_mv, job->delta_begin_share * height)) begun = i;
    if (slow < 0 || begun < 0) return NAN;
    const double seconds = (double)(slow - begun) / job->rate;
    const double share = sign * limb[slow] / height;
    const int slurred = job->delta_least_s <= seconds && seconds <= job->delta_longest_s &&
                        share >= job->delta_least_share;
    return slurred ? seconds * 1000.0 : NAN;
}

static void complex_of(const ecgfoundry_morphology_job *job, const double *x, part *waves,
                       double *right, double *out) {
    const double to_ms = 1000.0 / job->rate;
    const int64_t first = larger(0, rounded(job->qrs[0]));
    const int64_t last = smaller(job->columns - 1, rounded(job->qrs[1]));
    if (last - first < 2) return;
    out[QRS_AREA] = sum_of(x + first, last + 1 - first) * to_ms;
    const int64_t count = parts_of(job, x, first, last, waves);
    if (count == 0) return;
    out[QRS_MS] = (double)(waves[count - 1].end - waves[0].begin) * to_ms;
    /* Q before the first R; then S, R', S'. */
    const int64_t from = waves[0].height > 0 ? R_MV : Q_MV;
    int64_t upwards = -1, tallest = 0;
    for (int64_t k = 0; k < count; k++) {
        const int64_t column = from + 2 * k;
        if (column <= S2_MV) {
            out[column] = waves[k].height;
            out[column + 1] = (double)(waves[k].end - waves[k].begin) * to_ms;
        }
        if (waves[k].height > 0) upwards = k;
        if (fabs(waves[k].height) > fabs(waves[tallest].height)) tallest = k;
    }
    if (upwards >= 0)
        out[R_PEAK_TIME] =
            ((double)last_peak(job, x, waves[upwards], right) - job->qrs[0]) * to_ms;
    const part wave = waves[tallest];
    int64_t place;
    const double dip = deepest_dip(x + wave.begin, wave.end - wave.begin,
                                   wave.height > 0 ? 1.0 : -1.0, right, &place);
    out[QRS_NOTCHED] = dip >= most(job->notch_mv, job->notch_share * fabs(wave.height));
    out[DELTA] = slur(job, x, first, waves, count);
}

/* ---- ST, T, P --------------------------------------------------------------------------------- */

static void st(const ecgfoundry_morphology_job *job, const double *x, double *out) {
    const int64_t half = larger(0, rounded(job->st_half_s * job->rate));
    for (int k = 0; k < 4; k++) {
        const int64_t column = rounded(job->qrs[1] + job->st_s[k] * job->rate);
        if (column + half >= job->columns) continue;
        const double sum = column < half ? 0.0 : sum_of(x + column - half, 2 * half + 1);
        out[ST_J + k] = sum / (double)(2 * half + 1);
    }
    out[ST_SLOPE] = (out[ST_J80] - out[ST_J]) / job->st_s[3];
}

/* Columns of a wave; 0 where it was not found or is too short. */
static int64_t between(const ecgfoundry_morphology_job *job, const double *sides, int64_t *begin) {
    if (!isfinite(sides[0]) || !isfinite(sides[1])) return 0;
    *begin = larger(0, rounded(sides[0]));
    const int64_t count = smaller(job->columns, rounded(sides[1]) + 1) - *begin;
    return count > 2 ? count : 0;
}

static void t_wave(const ecgfoundry_morphology_job *job, const double *x, double *out) {
    int64_t begin = 0;
    const int64_t count = between(job, job->t, &begin);
    if (count == 0) return;
    const double height = x[largest(x, begin, begin + count)], sign = height < 0 ? 1.0 : -1.0;
    const double other = sign * x[highest(x, begin, begin + count, sign)];
    out[T_MV] = height;
    out[T_AREA] = sum_of(x + begin, count) * 1000.0 / job->rate;
    if (other >= most(job->t_other_mv, job->t_other_share * fabs(height)))
        out[T2_MV] = sign * other;
}

static int64_t mirrored(int64_t i, int64_t count) {
    while (i < 0 || i >= count) i = i < 0 ? -1 - i : 2 * count - 1 - i;
    return i;
}

/* scipy.ndimage.uniform_filter1d in its order; mirrored at the ends. */
static void smoothed(const double *x, int64_t count, int64_t width, double *out) {
    const int64_t left = width / 2, right = width - left - 1;
    double sum = 0.0;
    for (int64_t i = -left; i <= right; i++) sum += x[mirrored(i, count)];
    out[0] = sum / (double)width;
    for (int64_t i = 1; i < count; i++) {
        sum += x[mirrored(i + right, count)] - x[mirrored(i - left - 1, count)];
        out[i] = sum / (double)width;
    }
}

static int p_notched(const ecgfoundry_morphology_job *job, double *wave, int64_t count,
                     double *right, double *smooth) {
    int64_t place;
    double top = wave[highest(wave, 0, count, 1.0)];
    if (deepest_dip(wave, count, 1.0, right, &place) <
        most(job->p_notch_mv, job->p_notch_share * top))
        return 0;
    smoothed(wave, count, larger(1, rounded(job->p_smoothing_s * job->rate)), smooth);
    top = smooth[highest(smooth, 0, count, 1.0)];
    if (deepest_dip(smooth, count, 1.0, right, &place) <
        most(job->p_notch_mv, job->p_notch_share * top))
        return 0;
    const int64_t apart = highest(smooth, place, count, 1.0) - highest(smooth, 0, place, 1.0);
    return (double)apart >= job->p_notch_s * job->rate;
}

/* Depth times duration of the negative end of the P wave (Morris), mV ms. */
static double terminal_force(const ecgfoundry_morphology_job *job, const double *x,
                             int64_t count) {
    const int64_t lowest = highest(x, 0, count, -1.0), top = highest(x, 0, count, 1.0);
    const double depth = -x[lowest];
    if (depth < job->p_terminal_least_mv) return NAN;
    if (lowest < top && x[top] >= job->p_terminal_least_mv) return NAN; /* nothing terminal */
    int64_t begin = lowest, end = lowest;
    while (begin > 0 && x[begin - 1] < 0) begin--;
    while (end < count - 1 && x[end + 1] < 0) end++;
    return depth * (double)(end - begin + 1) * (1000.0 / job->rate);
}

static void p_wave(const ecgfoundry_morphology_job *job, const double *x, int terminal,
                   double *wave, double *right, double *smooth, double *out) {
    int64_t begin = 0;
    const int64_t count = between(job, job->p, &begin);
    if (count == 0) return;
    const double to_ms = 1000.0 / job->rate;
    /* From the line between its feet. */
    const double foot = x[begin], step = (x[begin + count - 1] - foot) / (double)(count - 1);
    for (int64_t i = 0; i < count - 1; i++) wave[i] = x[begin + i] - ((double)i * step + foot);
    wave[count - 1] = 0.0;
    const double height = wave[largest(wave, 0, count)];
    out[P_MV] = height;
    out[P_MS] = (job->p[1] - job->p[0]) * to_ms;
    out[P_AREA] = sum_of(wave, count) * to_ms;
    if (terminal) out[P_TERMINAL] = terminal_force(job, wave, count);
    const double sign = signbit(height) ? -1.0 : 1.0;
    for (int64_t i = 0; i < count; i++) wave[i] *= sign;
    out[P_NOTCHED] = p_notched(job, wave, count, right, smooth);
}

/* 0: done; 1: no memory; 2: there is no lead, or no column; 4: other figures are meant. */
int JOIN(ecgfoundry_morphology, INSTRUCTIONS)(const ecgfoundry_morphology_job *job) {
    const int64_t columns = job->columns;
    if (job->row != MORPHOLOGY_FIGURES) return 4;
    if (job->leads < 1 || columns < 1) return 2;
    double *room = malloc((size_t)columns * (3 * sizeof *room + sizeof(part)));
    if (room == NULL) return 1;
    double *right = room, *wave = right + columns, *smooth = wave + columns;
    part *parts = (part *)(smooth + columns);
    for (int64_t lead = 0; lead < job->leads; lead++) {
        const double *x = job->values + lead * columns;
        double *out = job->figures + lead * MORPHOLOGY_FIGURES;
        for (int k = 0; k < MORPHOLOGY_FIGURES; k++) out[k] = NAN;
        int finite = 1, flat = 1;
        for (int64_t i = 0; i < columns; i++) {
            if (!isfinite(x[i])) finite = 0;
            if (x[i] != x[0]) flat = 0;
        }
        if (!finite || flat) continue;
        if (isfinite(job->qrs[0]) && isfinite(job->qrs[1])) {
            complex_of(job, x, parts, right, out);
            st(job, x, out);
        }
        t_wave(job, x, out);
        p_wave(job, x, lead == job->terminal, wave, right, smooth, out);
    }
    free(room);
    return 0;
}
