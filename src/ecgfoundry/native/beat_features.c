/* What the classes of beats are told from: measurements/beat_features.py, where it is described,
 * does the same in NumPy. */
#include "beat_features.h"

#include "order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

typedef ecgfoundry_beat_features_job job_t;

static double at_least(double value, double least) { return value < least ? least : value; }

/* Built with a newer glibc, log() asks for the one of 2.29; wheels run on older ones. */
static double natural_log(double value) { return 2.302585092994045684 * log10(value); }

static double clipped(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

static double log_ratio(const job_t *job, double above, double below) {
    const double ratio = above / below;
    return natural_log(clipped(isfinite(ratio) ? ratio : 1.0, job->least_ratio, job->most_ratio));
}

static double log_seconds(double value) { return natural_log(clipped(value, 0.1, 5.0)); }

/* ---- what stands around a beat ---------------------------------------------------------------- */

typedef struct {
    double *value;   /* in order of size, infinite ones with their sign */
    int64_t count;   /* all but NaN */
    int64_t finite;
} around_t;

static void sort(double *x, int64_t count) {
    for (int64_t i = 1; i < count; i++) {
        const double value = x[i];
        int64_t k = i;
        for (; k > 0 && x[k - 1] > value; k--) x[k] = x[k - 1];
        x[k] = value;
    }
}

/* Of a beat and its neighbours, each `step`-th, what is not NaN. */
static around_t around(const double *x, int64_t beats, int64_t beat, int64_t reach, int64_t step,
                       double *room) {
    around_t found = {room, 0, 0};
    for (int64_t k = beat - reach; k <= beat + reach; k += step) {
        if (k < 0 || k >= beats || isnan(x[k])) continue;
        room[found.count++] = x[k];
        found.finite += isfinite(x[k]) != 0;
    }
    sort(room, found.count);
    return found;
}

static double middle(around_t found) {
    if (found.finite == 0) return NAN;
    const int64_t upper = found.finite / 2;
    return (found.value[(found.finite - 1) / 2] + found.value[upper]) / 2;
}

static double or_else(double value, double otherwise) {
    return isfinite(value) ? value : otherwise;
}

static double upper(const job_t *job, around_t found, double otherwise) {
    if (found.count == 0) return otherwise;
    const int64_t rank = (int64_t)(job->high_share * (double)found.finite);
    return or_else(found.value[smaller(rank, larger(found.finite - 1, 0))], otherwise);
}

static double regular(const job_t *job, around_t found, double usual) {
    int64_t near = 0;
    for (int64_t k = 0; k < found.count; k++)
        near += fabs(found.value[k] / usual - 1.0) < job->regular;
    return (double)near / (double)larger(found.finite, 1);
}

/* ---- timing ----------------------------------------------------------------------------------- */

static void timing(const job_t *job, double *room) {
    const int64_t n = job->beats;
    double *raw = room, *before = raw + n, *after = before + n, *near = after + n;
    double *change = near + n, *sorted = change + n;
    for (int64_t i = 0; i < n; i++) raw[i] = i ? job->centre[i] - job->centre[i - 1] : NAN;
    double usual = 1.0;
    if (n > 1) {
        memcpy(sorted, raw + 1, (size_t)(n - 1) * sizeof *raw);
        usual = middle_of(sorted, n - 1);
    }
    for (int64_t i = 0; i < n; i++) {
        near[i] = or_else(middle(around(raw, n, i, job->near, 1, sorted)), usual);
        before[i] = or_else(raw[i], near[i]);
        after[i] = or_else(i + 1 < n ? raw[i + 1] : NAN, near[i]);
    }
    for (int64_t i = 0; i < n; i++)
        change[i] = fabs(log_ratio(job, before[i], before[i ? i - 1 : 0]));
    for (int64_t i = 0; i < n; i++) {
        double *out = job->table + i * BEAT_FEATURE_COUNT;
        const double earlier = before[i ? i - 1 : 0], later = after[i + 1 < n ? i + 1 : n - 1];
        around_t found = around(raw, n, i, job->near, 1, sorted);
        double sum = 0.0;
        int64_t lower = 0;
        for (int64_t k = 0; k < found.count; k++) {
            const double value = found.value[k];
            if (isfinite(value)) sum += value < 2.0 * near[i] ? value : 2.0 * near[i];
            lower += value < before[i];
        }
        double mean = sum / (double)larger(found.finite, 1);
        if (!(mean > 0)) mean = usual;
        out[RR_BEFORE_NEAR_HIGH] = log_ratio(job, before[i], upper(job, found, near[i]));
        out[RR_RANK] = (double)lower / (double)larger(found.finite, 1);
        out[REGULAR_SHARE] = regular(job, found, near[i]);
        for (int64_t k = 0; k < found.count; k++)
            found.value[k] = fabs(log_ratio(job, found.value[k], near[i]));
        sort(found.value, found.count);
        const double spread = middle(found);
        found = around(raw, n, i, job->far, 2, sorted);
        const double far = or_else(middle(found), usual);
        out[RR_BEFORE_FAR] = log_ratio(job, before[i], far);
        out[RR_BEFORE_FAR_HIGH] = log_ratio(job, before[i], upper(job, found, far));
        out[REGULAR_SHARE_FAR] = regular(job, found, far);
        out[RR_BEFORE] = log_seconds(before[i]);
        out[RR_AFTER] = log_seconds(after[i]);
        out[RR_NEAR] = log_seconds(near[i]);
        out[RR_BEFORE_NEAR] = log_ratio(job, before[i], near[i]);
        out[RR_BEFORE_NEAR_MEAN] = log_ratio(job, before[i], mean);
        out[RR_AFTER_NEAR] = log_ratio(job, after[i], near[i]);
        out[RR_AFTER_NEAR_MEAN] = log_ratio(job, after[i], mean);
        out[RR_BEFORE_AFTER] = log_ratio(job, before[i], after[i]);
        out[RR_BEFORE_EARLIER] = log_ratio(job, before[i], earlier);
        out[RR_AFTER_LATER] = log_ratio(job, after[i], later);
        out[RR_EARLIER_NEAR] = log_ratio(job, earlier, near[i]);
        out[RR_LATER_NEAR] = log_ratio(job, later, near[i]);
        out[RR_PAIR_NEAR] = log_ratio(job, before[i] + after[i], 2 * near[i]);
        out[RR_SCORE] = clipped(out[RR_BEFORE_NEAR] / (spread + 0.02), -20.0, 20.0);
        out[IRREGULARITY] = middle(around(change, n, i, job->near, 1, sorted));
        out[IRREGULARITY_FAR] = middle(around(change, n, i, job->far, 2, sorted));
    }
}

/* Which of the usual beats come latest after the beat before; all of them where they are few. */
static void mark_late(const job_t *job, const uint8_t *usual, uint8_t *late, double *room) {
    const int64_t n = job->beats;
    double *before = room, *delay = before + n, *sorted = delay + n;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) before[i] = i ? job->centre[i] - job->centre[i - 1] : NAN;
    for (int64_t i = 0; i < n; i++) {
        const double near = middle(around(before, n, i, job->near, 1, sorted));
        delay[i] = usual[i] ? before[i] / near : NAN;
    }
    for (int64_t i = 0; i < n; i++)
        if (isfinite(delay[i])) sorted[count++] = delay[i];
    memcpy(late, usual, (size_t)n);
    if (count < 3) return;
    /* numpy.quantile */
    const double place = (1.0 - job->late_share) * (double)(count - 1);
    const int64_t low = (int64_t)place;
    const double part = place - (double)low, below = ranked(sorted, count, low);
    const double above = ranked(sorted, count, smaller(low + 1, count - 1)), apart = above - below;
    const double limit = part >= 0.5 ? above - apart * (1.0 - part) : below + apart * part;
    for (int64_t i = 0; i < n; i++) late[i] = isfinite(delay[i]) && delay[i] >= limit;
}

static void usual_timing(const job_t *job, const uint8_t *usual, double *room) {
    const int64_t n = job->beats;
    double *between = room, *change = between + n, *sorted = change + n;
    int64_t count = 0, changes = 0, known_regular = 0, members = 0;
    for (int64_t i = 0; i < n; i++) {
        members += usual[i];
        const int both = i > 0 && usual[i] && usual[i - 1];
        between[i] = both ? job->centre[i] - job->centre[i - 1] : NAN;
        if (isfinite(between[i])) sorted[count++] = between[i];
    }
    if (count == 0)
        for (int64_t i = 1; i < n; i++) sorted[count++] = job->centre[i] - job->centre[i - 1];
    double usually = 1.0, high = 1.0, share = 0.0;
    if (count > 0) {
        usually = middle_of(sorted, count);
        const int64_t rank = (int64_t)(job->high_share * (double)count);
        high = ranked(sorted, count, smaller(rank, count - 1));
        for (int64_t k = 0; k < count; k++)
            known_regular += fabs(sorted[k] / usually - 1.0) < job->regular;
        share = (double)known_regular / (double)count;
    }
    for (int64_t i = 0; i < n; i++) {
        change[i] = i ? fabs(natural_log(between[i] / between[i - 1])) : NAN;
        if (isfinite(change[i])) sorted[changes++] = change[i];
    }
    const double spread = changes ? middle_of(sorted, changes) : 0.0;
    int64_t last = -1;
    for (int64_t i = 0; i < n; i++) {
        double *out = job->table + i * BEAT_FEATURE_COUNT;
        const double near =
            or_else(middle(around(between, n, i, job->near, 1, sorted)), usually);
        const around_t found = around(between, n, i, job->far, 2, sorted);
        const double far_high = upper(job, found, or_else(middle(found), usually));
        int64_t following = i + 1;
        while (following < n && !usual[following]) following++;
        const double before = i ? job->centre[i] - job->centre[i - 1] : near;
        const double since = last >= 0 ? job->centre[i] - job->centre[last] : near;
        const double until = following < n ? job->centre[following] - job->centre[i] : near;
        if (usual[i]) last = i;
        out[USUAL_BEFORE] = log_ratio(job, before, near);
        out[USUAL_SINCE] = log_ratio(job, since, near);
        out[USUAL_UNTIL] = log_ratio(job, until, near);
        out[USUAL_AROUND] = log_ratio(job, since + until, 2.0 * near);
        out[USUAL_BEFORE_HIGH] = log_ratio(job, before, far_high);
        out[USUAL_BEFORE_ALL] = log_ratio(job, before, usually);
        out[USUAL_BEFORE_ALL_HIGH] = log_ratio(job, before, high);
        out[USUAL_IRREGULARITY] =
            or_else(middle(around(change, n, i, job->near, 1, sorted)), spread);
        out[USUAL_IRREGULARITY_ALL] = spread;
        out[USUAL_REGULAR_ALL] = share;
        out[USUAL_SHARE] = (double)members / (double)n;
    }
}

/* ---- one lead --------------------------------------------------------------------------------- */

static double product(const double *a, const double *b, int64_t count) {
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += a[i + k] * b[i + k];
    for (; i < count; i++) lane[0] += a[i] * b[i];
    return together(lane);
}

/* Mean over the beats that are chosen, (count,). */
static void mean_of(const double *pieces, const uint8_t *chosen, int64_t beats, int64_t count,
                    double *mean) {
    int64_t members = 0;
    for (int64_t c = 0; c < count; c++) mean[c] = 0.0;
    for (int64_t b = 0; b < beats; b++) {
        if (!chosen[b]) continue;
        members++;
        for (int64_t c = 0; c < count; c++) mean[c] += pieces[b * count + c];
    }
    for (int64_t c = 0; c < count; c++) mean[c] /= (double)members;
}

static double median_of_chosen(const double *x, const uint8_t *chosen, int64_t beats,
                               double *sorted) {
    int64_t count = 0;
    for (int64_t b = 0; b < beats; b++)
        if (chosen[b]) sorted[count++] = x[b];
    return middle_of(sorted, count);
}

/* How far each piece is from the usual one, against how far usual ones are. */
static void rest(const job_t *job, const double *pieces, int64_t count, const double *mean,
                 const uint8_t *chosen, double *out, double *room) {
    double *apart = room, *sorted = room + count;
    for (int64_t b = 0; b < job->beats; b++) {
        for (int64_t c = 0; c < count; c++) apart[c] = pieces[b * count + c] - mean[c];
        out[b] = sqrt(product(apart, apart, count) / (double)count);
    }
    const double usual = median_of_chosen(out, chosen, job->beats, sorted);
    for (int64_t b = 0; b < job->beats; b++) out[b] = log_ratio(job, out[b], usual);
}

/* Correlation with the usual piece, and its size in it. */
static void fit(const job_t *job, const double *pieces, int64_t count, const double *mean,
                double *alike, double *gain) {
    const double power = product(mean, mean, count) + 1e-30;
    for (int64_t b = 0; b < job->beats; b++) {
        const double *piece = pieces + b * count;
        const double shared = product(piece, mean, count);
        alike[b] = shared / sqrt((product(piece, piece, count) + 1e-30) * power);
        if (gain != NULL) gain[b] = clipped(shared / power, -5.0, 5.0);
    }
}

/* Every second column, less the straight line through them. */
static void without_line(const float *from, int64_t count, const double *line, double *out) {
    for (int64_t c = 0; c < count; c++) out[c] = from[2 * c];
    const double mean = sum_of(out, count) / (double)count;
    const double slope = product(out, line, count) / product(line, line, count);
    for (int64_t c = 0; c < count; c++) out[c] = out[c] - mean - slope * line[c];
}

static void draw_line(double *line, int64_t count) {
    const double step = 2.0 / (double)(count - 1);
    for (int64_t c = 0; c < count - 1; c++) line[c] = (double)c * step - 1.0;
    line[count - 1] = 1.0;
}

static double range_of(const double *x, int64_t count) {
    double low = x[0], high = x[0];
    for (int64_t i = 1; i < count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    return high - low;
}

/* The spread of the squared slope around its middle, and the effective length, s. */
static void widths(const job_t *job, const double *qrs, int64_t count, double *spread,
                   double *length, double *energy, double *sorted) {
    const int64_t steps = count - 1;
    for (int64_t c = 0; c < steps; c++) {
        const double step = qrs[c + 1] - qrs[c];
        sorted[c] = energy[c] = step * step;
    }
    /* What is everywhere in the window is noise and not the complex. */
    const double place = 0.2 * (double)(steps - 1);
    const int64_t low = (int64_t)place;
    const double below = ranked(sorted, steps, low);
    const double above = ranked(sorted, steps, smaller(low + 1, steps - 1));
    const double part = place - (double)low, apart = above - below;
    const double floor = part >= 0.5 ? above - apart * (1.0 - part) : below + apart * part;
    double total = 0.0, first = 0.0, second = 0.0;
    for (int64_t c = 0; c < steps; c++) {
        const double here = at_least(energy[c] - floor, 0.0), time = (double)c / job->rate;
        total += here;
        first += here * time;
        second += here * (time * time);
    }
    total += 1e-30;
    first /= total;
    *spread = sqrt(at_least(second / total - first * first, 0.0));
    for (int64_t c = 0; c < count; c++) energy[c] = fabs(qrs[c]);
    const double level = sum_of(energy, count);
    *length = level * level / (product(energy, energy, count) + 1e-30) / job->rate;
}

/* How much of the usual beats repeats. */
static double weight_of(const job_t *job, const float *values, const uint8_t *usual,
                        double *room) {
    const int64_t n = job->beats, columns = job->columns;
    double *mean = room, *apart = mean + columns, *rests = apart + columns, *sorted = rests + n;
    int64_t members = 0;
    for (int64_t c = 0; c < columns; c++) mean[c] = 0.0;
    for (int64_t b = 0; b < n; b++) {
        if (!usual[b]) continue;
        members++;
        for (int64_t c = 0; c < columns; c++) mean[c] += values[b * columns + c];
    }
    for (int64_t c = 0; c < columns; c++) mean[c] /= (double)members;
    for (int64_t b = 0; b < n; b++) {
        if (!usual[b]) continue;
        for (int64_t c = 0; c < columns; c++) apart[c] = values[b * columns + c] - mean[c];
        rests[b] = product(apart, apart, columns) / (double)columns;
    }
    const double noise = median_of_chosen(rests, usual, n, sorted);
    const double level = sum_of(mean, columns) / (double)columns;
    for (int64_t c = 0; c < columns; c++) mean[c] -= level;
    const double signal = product(mean, mean, columns) / (double)columns;
    const double share = at_least(signal / at_least(signal + 2.0 * noise, 1e-30), 1e-6);
    return share * share;
}

/* What a lead tells of every beat, in rows of `beats` in this order; then its weight. */
enum {
    LEAD_WIDTH, LEAD_WIDTH_REFERENCE, LEAD_DURATION, LEAD_DURATION_REFERENCE, LEAD_SIZE_REFERENCE,
    LEAD_QRS_REST, LEAD_T_REST, LEAD_T_LIKE, LEAD_DISCORDANCE,
    LEAD_P_REST, LEAD_P_LIKE, LEAD_P_GAIN, LEAD_P_BEST, LEAD_P_SHIFT, LEAD_P_SIZE,
    LEAD_FIGURES
};
static const int LEAD_COLUMNS[LEAD_FIGURES] = {
    WIDTH, WIDTH_REFERENCE, DURATION, DURATION_REFERENCE, SIZE_REFERENCE,
    QRS_REST, T_REST, T_LIKE, DISCORDANCE,
    P_REST, P_LIKE, P_GAIN, P_BEST, P_SHIFT, P_SIZE,
};

/* Returns how much of the P waves is the usual one. */
static double lead(const job_t *job, const float *values, const uint8_t *usual,
                   const uint8_t *late, double *found, double *room) {
    const int64_t n = job->beats, columns = job->columns;
    const int64_t q = job->qrs[1] - job->qrs[0];
    const int64_t t = (job->t[1] - job->t[0] + 1) / 2, p = (job->p[1] - job->p[0] + 1) / 2;
    double *qrs = room, *ts = qrs + n * q, *ps = ts + n * t, *size = ps + n * p;
    double *mean = size + n, *t_line = mean + columns, *p_line = t_line + columns;
    double *one = p_line + columns, *spare = one + columns;
    draw_line(t_line, t);
    draw_line(p_line, p);
#define OF(NAME) (found + LEAD_##NAME * n)
    for (int64_t b = 0; b < n; b++) {
        const float *piece = values + b * columns;
        double *x = qrs + b * q;
        for (int64_t c = 0; c < q; c++) x[c] = piece[job->qrs[0] + c];
        const double level = sum_of(x, q) / (double)q;
        for (int64_t c = 0; c < job->t[1] - job->t[0]; c++) one[c] = piece[job->t[0] + c];
        const double behind = sum_of(one, job->t[1] - job->t[0]) /
                              (double)(job->t[1] - job->t[0]);
        for (int64_t c = 0; c < q; c++) x[c] -= level;
        widths(job, x, q, OF(WIDTH) + b, OF(DURATION) + b, one, spare);
        size[b] = range_of(x, q);
        const double power = product(x, x, q) / (double)q + 1e-20;
        OF(DISCORDANCE)[b] = clipped(level * behind / power, -3.0, 3.0);
        without_line(piece + job->t[0], t, t_line, ts + b * t);
        without_line(piece + job->p[0], p, p_line, ps + b * p);
    }
    const double scale = median_of_chosen(size, usual, n, spare);
    const double width = median_of_chosen(OF(WIDTH), usual, n, spare);
    const double duration = median_of_chosen(OF(DURATION), usual, n, spare);
    for (int64_t b = 0; b < n; b++) {
        OF(SIZE_REFERENCE)[b] = log_ratio(job, size[b], scale);
        OF(P_SIZE)[b] = log_ratio(job, range_of(ps + b * p, p), scale);
        OF(WIDTH_REFERENCE)[b] = log_ratio(job, OF(WIDTH)[b], width);
        OF(DURATION_REFERENCE)[b] = log_ratio(job, OF(DURATION)[b], duration);
        OF(WIDTH)[b] = natural_log(at_least(OF(WIDTH)[b], 1e-3));
        OF(DURATION)[b] = natural_log(at_least(OF(DURATION)[b], 1e-3));
    }
    mean_of(qrs, usual, n, q, mean);
    rest(job, qrs, q, mean, usual, OF(QRS_REST), spare);
    mean_of(ts, usual, n, t, mean);
    rest(job, ts, t, mean, usual, OF(T_REST), spare);
    fit(job, ts, t, mean, OF(T_LIKE), NULL);
    mean_of(ps, late, n, p, mean);
    rest(job, ps, p, mean, late, OF(P_REST), spare);
    fit(job, ps, p, mean, OF(P_LIKE), OF(P_GAIN));
    const double power = product(mean, mean, p) + 1e-30;
    double all = 0.0;
    int64_t members = 0;
    for (int64_t b = 0; b < n; b++) {
        OF(P_BEST)[b] = -INFINITY;
        OF(P_SHIFT)[b] = 0.0;
        for (int64_t shift = -job->shift; shift <= job->shift; shift += job->step) {
            without_line(values + b * columns + job->p[0] + shift, p, p_line, one);
            const double own = product(one, one, p) + 1e-30;
            const double alike = product(one, mean, p) / sqrt(own * power);
            if (!(alike > OF(P_BEST)[b])) continue;
            OF(P_BEST)[b] = alike;
            OF(P_SHIFT)[b] = (double)shift / job->rate;
        }
        if (!late[b]) continue;
        members++;
        all += product(ps + b * p, ps + b * p, p) / (double)p;
    }
    return product(mean, mean, p) / (double)p / (all / (double)members + 1e-20);
#undef OF
}

/* ---- all leads -------------------------------------------------------------------------------- */

/* Likeness of two complexes, 2 a.b / (a.a + b.b). */
static double alike(const double *a, const double *b, double both, int64_t width) {
    return both > 0 ? 2.0 * product(a, b, width) / both : 0.0;
}

static void form(const job_t *job, const uint8_t *usual, double *room) {
    const int64_t n = job->beats, width = job->width;
    double *vectors = room, *norm = vectors + n * width, *mean = norm + n;
    for (int64_t i = 0; i < n * width; i++) vectors[i] = job->vectors[i];
    for (int64_t b = 0; b < n; b++)
        norm[b] = product(vectors + b * width, vectors + b * width, width);
    mean_of(vectors, usual, n, width, mean);
    const double power = product(mean, mean, width);
    for (int64_t b = 0; b < n; b++) {
        const double *own = vectors + b * width;
        double *out = job->table + b * BEAT_FEATURE_COUNT;
        const int64_t before = b ? b - 1 : 0, after = b + 1 < n ? b + 1 : b;
        out[LIKE_REFERENCE] = alike(own, mean, norm[b] + power, width);
        out[LIKE_BEFORE] = alike(own, vectors + before * width, norm[b] + norm[before], width);
        out[LIKE_AFTER] = alike(own, vectors + after * width, norm[b] + norm[after], width);
        out[GAIN] = clipped(product(own, mean, width) / at_least(power, 1e-12), -4.0, 4.0);
    }
}

static void together_of(const job_t *job, const uint8_t *usual, const uint8_t *late,
                        double *room) {
    const int64_t n = job->beats, leads = job->leads;
    double *found = room, *weight = found + leads * LEAD_FIGURES * n, *p_weight = weight + leads;
    double *shown = p_weight + leads, *spare = shown + leads;
    double total = 0.0, p_total = 0.0, reference = 0.0;
    for (int64_t k = 0; k < leads; k++) {
        const float *values = job->values + k * n * job->columns;
        total += weight[k] = weight_of(job, values, usual, spare);
        shown[k] = lead(job, values, usual, late, found + k * LEAD_FIGURES * n, spare);
    }
    for (int64_t k = 0; k < leads; k++) {
        weight[k] /= total;
        const double own = at_least(shown[k], 1e-3);
        p_total += p_weight[k] = weight[k] > job->least_lead ? own * own : 0.0;
    }
    for (int64_t k = 0; k < leads; k++) {
        p_weight[k] = p_total > 0 ? p_weight[k] / p_total : weight[k];
        reference += p_weight[k] * shown[k];
    }
    for (int64_t b = 0; b < n; b++) {
        double *out = job->table + b * BEAT_FEATURE_COUNT;
        for (int f = 0; f < LEAD_FIGURES; f++) {
            const double *chosen = f < LEAD_P_REST ? weight : p_weight;
            double sum = 0.0;
            for (int64_t k = 0; k < leads; k++)
                sum += chosen[k] * found[(k * LEAD_FIGURES + f) * n + b];
            out[LEAD_COLUMNS[f]] = sum;
        }
        out[P_REFERENCE] = reference;
    }
}

static void neighbours(const job_t *job, const uint8_t *usual, double *room) {
    const int64_t n = job->beats;
    double *p = room, *of_usual = p + n, *sorted = of_usual + n;
#define TABLE(BEAT, NAME) job->table[(BEAT) * BEAT_FEATURE_COUNT + (NAME)]
    for (int64_t b = 0; b < n; b++) {
        p[b] = TABLE(b, P_LIKE);
        of_usual[b] = usual[b] ? p[b] : NAN;
    }
    for (int64_t b = 0; b < n; b++) {
        const double near = middle(around(of_usual, n, b, job->near, 1, sorted));
        const double far = or_else(middle(around(of_usual, n, b, job->far, 2, sorted)), near);
        TABLE(b, T_REST_BEFORE) = TABLE(b ? b - 1 : 0, T_REST);
        TABLE(b, P_LIKE_NEAR) = near;
        TABLE(b, P_LIKE_FAR) = far;
        TABLE(b, P_LIKE_ROW) = middle(around(p, n, b, job->row, 1, sorted));
        TABLE(b, P_LIKE_BEFORE) = p[b ? b - 1 : 0];
        TABLE(b, P_LIKE_AFTER) = p[b + 1 < n ? b + 1 : b];
        TABLE(b, FIBRILLATION) =
            (1.0 - TABLE(b, REGULAR_SHARE_FAR)) * (1.0 - clipped(far, 0.0, 1.0));
    }
}

static void groups(const job_t *job, double *sums) {
    static const int FROM[4] = {RR_BEFORE_NEAR, WIDTH_REFERENCE, LIKE_REFERENCE, P_LIKE};
    const int64_t n = job->beats;
    for (int f = 0; f < 4; f++) {
        for (int64_t k = 0; k < job->templates; k++) sums[k] = 0.0;
        for (int64_t b = 0; b < n; b++)
            if (job->number[b] >= 0) sums[job->number[b]] += TABLE(b, FROM[f]);
        for (int64_t b = 0; b < n; b++) {
            const int64_t own = job->number[b];
            TABLE(b, GROUP_EARLY + f) =
                own < 0 ? TABLE(b, FROM[f]) : sums[own] / (double)larger(job->sizes[own], 1);
        }
    }
    for (int64_t b = 0; b < n; b++) {
        const int64_t own = job->number[b];
        TABLE(b, GROUP_SHARE) = natural_log((own < 0 ? 1.0 : (double)job->sizes[own]) / (double)n);
    }
#undef TABLE
}

/* 0: done; 1: no memory; 2: no beat, none that is usual, a template that has no size, or pieces
 * that are too short. */
int JOIN(ecgfoundry_beat_features, INSTRUCTIONS)(const ecgfoundry_beat_features_job *job) {
    const int64_t n = job->beats, columns = job->columns;
    if (n < 1 || job->leads < 1) return 2;
    for (int64_t b = 0; b < n; b++)
        if (job->number[b] >= job->templates) return 2;
    const int64_t *const windows[3] = {job->qrs, job->t, job->p};
    for (int k = 0; k < 3; k++)
        if (windows[k][0] < 0 || windows[k][1] > columns || windows[k][1] - windows[k][0] < 5)
            return 2;
    if (job->p[0] < job->shift || job->p[1] + job->shift > columns || job->step < 1) return 2;
    if (job->near < 0 || job->far < 0 || job->row < 0) return 2;
    const int64_t widest = larger(larger(job->near, job->far), job->row) * 2 + 1;
    const int64_t leads = job->leads * (LEAD_FIGURES * n + 3) + n * columns * 2 + 8 * columns;
    const int64_t vectors = (n + 1) * job->width;
    double *room = malloc((size_t)(leads + vectors + 8 * n + widest + job->templates) *
                          sizeof *room);
    uint8_t *usual = malloc((size_t)n * 2);
    if (room == NULL || usual == NULL) {
        free(room);
        free(usual);
        return 1;
    }
    uint8_t *late = usual + n;
    int64_t members = 0, latest = 0;
    for (int64_t b = 0; b < n; b++)
        members += usual[b] = job->reference < 0 || job->number[b] == job->reference;
    if (members > 0) {
        mark_late(job, usual, late, room);
        for (int64_t b = 0; b < n; b++) latest += late[b];
    }
    if (members > 0 && latest > 0) {
        timing(job, room);
        usual_timing(job, usual, room);
        form(job, usual, room);
        together_of(job, usual, late, room);
        neighbours(job, usual, room);
        groups(job, room);
        for (int64_t i = 0; i < n * BEAT_FEATURE_COUNT; i++)
            if (!isfinite(job->table[i])) job->table[i] = 0.0;
    }
    free(room);
    free(usual);
    return members > 0 && latest > 0 ? 0 : 2;
}
