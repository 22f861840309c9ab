/* The search for one wave, P or T, around every beat: measurements/wave_search.py, where it is
 * described, does the same with the same comparisons in NumPy. */
#include "waves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

/* ---- how much every column looks like the top of a wave --------------------------------------- */

/* Largest value of this column and `reach` before it, in place; `spare` is as long. */
static void largest_behind(double *restrict x, int64_t count, int64_t reach,
                           double *restrict spare) {
    int64_t covered = 1; /* columns that each value is the largest of */
    while (covered < reach + 1) {
        const int64_t step = covered <= reach + 1 - covered ? covered : reach + 1 - covered;
        memcpy(spare, x, (size_t)count * sizeof *x);
        for (int64_t c = step; c < count; c++)
            x[c] = spare[c] > spare[c - step] ? spare[c] : spare[c - step];
        covered += step;
    }
}

static void largest_ahead(double *restrict x, int64_t count, int64_t reach,
                          double *restrict spare) {
    int64_t covered = 1;
    while (covered < reach + 1) {
        const int64_t step = covered <= reach + 1 - covered ? covered : reach + 1 - covered;
        memcpy(spare, x, (size_t)count * sizeof *x);
        for (int64_t c = 0; c < count - step; c++)
            x[c] = spare[c] > spare[c + step] ? spare[c] : spare[c + step];
        covered += step;
    }
}

/* Smaller of the steepest rise on one side and the steepest fall on the other. */
static void both_sides(const double *slope, double sign, int64_t count, int64_t reach, double *out,
                       double *other, double *spare) {
    for (int64_t c = 0; c < count; c++) {
        out[c] = sign * slope[c];
        other[c] = -sign * slope[c];
    }
    largest_behind(out, count, reach, spare);
    largest_ahead(other, count, reach, spare);
    for (int64_t c = 0; c < count; c++) out[c] = out[c] < other[c] ? out[c] : other[c];
}

static int64_t argmax(const double *x, int64_t count) {
    int64_t best = 0;
    for (int64_t c = 1; c < count; c++)
        if (x[c] > x[best]) best = c;
    return best;
}

/* ---- one wave of one lead --------------------------------------------------------------------- */

/* First column from `steepest` on, in steps of one, at which the slope has fallen to a share. */
static double fade(const double *slope, double sign, int64_t steepest, double share, int64_t count,
                   int64_t step) {
    const double top = slope[steepest] * sign;
    if (!(top > 0)) return NAN;
    for (int64_t c = steepest; c >= 0 && c < count; c += step)
        if (slope[c] * sign < share * top) return (double)c;
    return NAN;
}

/* The end of a second lobe the other way that is high enough, or the end as it is. */
static double second_lobe(const ecgfoundry_waves_job *job, const double *x, const double *slope,
                          double sign, int64_t peak, double onset, double offset, int64_t count) {
    if (!isfinite(offset)) return offset;
    const int64_t begin = (int64_t)offset;
    int64_t column = begin;
    for (int64_t c = begin; c < count && (double)(c - begin) <= job->lobe_reach; c++)
        if (slope[c] * sign > slope[column] * sign) column = c;
    const double top = slope[column] * sign;
    double fall = peak > 0 || begin < count - 1 ? 0.0 : -INFINITY;
    for (int64_t c = peak; c <= begin; c++)
        if (-slope[c] * sign > fall) fall = -slope[c] * sign;
    if (!(top > job->lobe_share * fall && fall > 0)) return offset;
    const double extended = fade(slope, sign, column, job->offset_share, count, 1);
    if (!isfinite(extended)) return offset;
    double lowest = INFINITY;
    for (int64_t c = begin; c <= column; c++)
        if (x[c] * sign < lowest) lowest = x[c] * sign;
    const double foot = x[isfinite(onset) ? (int64_t)onset : 0], after = x[(int64_t)extended];
    return foot * sign - lowest >= job->lobe_depth * (after * sign - lowest) ? extended : offset;
}

static void find(const ecgfoundry_waves_job *job, int64_t row, const double *x,
                 const double *slope, const double *up, const double *down, int64_t together,
                 int64_t count) {
    const double first = job->first[row] - (double)job->low;
    const double last = job->last[row] - (double)job->low;
    job->onset[row] = job->peak[row] = job->offset[row] = NAN;
    if (!(last - first >= job->room)) return;
    int64_t best = -1;
    double score = 0.0;
    for (int64_t c = 0; c < count; c++) {
        const double here = up[c] > down[c] ? up[c] : down[c];
        if ((double)c < first || (double)c > last) continue;
        if ((double)llabs((long long)(c - together)) <= job->guide && here > score) {
            score = here;
            best = c;
        }
    }
    if (best < 0) return;
    const double sign = up[best] >= down[best] ? 1.0 : -1.0;
    int64_t peak = -1;
    for (int64_t c = 0; c < count; c++) {
        if ((double)c < first || (double)c > last) continue;
        if (llabs((long long)(c - best)) > job->reach / 2) continue;
        if (peak < 0 || x[c] * sign > x[peak] * sign) peak = c;
    }
    int64_t before = peak, behind = peak;
    for (int64_t c = peak; c >= 0 && (double)(peak - c) <= job->before; c--)
        if (slope[c] * sign >= slope[before] * sign) before = c;
    for (int64_t c = peak; c < count && (double)(c - peak) <= job->behind; c++)
        if (-slope[c] * sign > -slope[behind] * sign) behind = c;
    const double onset = fade(slope, sign, before, job->onset_share, count, -1);
    double offset = fade(slope, -sign, behind, job->offset_share, count, 1);
    if (job->lobe_reach >= 0)
        offset = second_lobe(job, x, slope, sign, peak, onset, offset, count);
    if (!isfinite(onset) || !isfinite(offset)) return;
    const double feet = (x[(int64_t)onset] + x[(int64_t)offset]) / 2;
    if (!(sign * (x[peak] - feet) >= job->least[row])) return;
    job->onset[row] = onset + (double)job->low;
    job->peak[row] = (double)(peak + job->low);
    job->offset[row] = offset + (double)job->low;
}

/* 0: done; 1: no memory; 2: there is nothing to be looked at. */
int JOIN(ecgfoundry_waves, INSTRUCTIONS)(const ecgfoundry_waves_job *job) {
    const int64_t leads = job->leads, beats = job->beats, count = job->high - job->low;
    if (leads < 1 || beats < 1 || job->samples < 1 || job->low < 0 || job->high > job->width || count < 1) return 2;
    /* Of one beat: x, slope, up and down of every lead, their sum, and two spare rows. */
    double *room = malloc((size_t)(4 * leads + 3) * (size_t)count * sizeof *room);
    if (room == NULL) return 1;
    double *pieces = room, *slopes = pieces + leads * count, *ups = slopes + leads * count;
    double *downs = ups + leads * count, *profile = downs + leads * count;
    double *other = profile + count, *spare = other + count;
    for (int64_t beat = 0; beat < beats; beat++) {
        for (int64_t c = 0; c < count; c++) profile[c] = 0.0;
        for (int64_t lead = 0; lead < leads; lead++) {
            const int64_t row = lead * beats + beat;
            const double *x = job->x + lead * job->samples;
            const double *steep = job->slope + lead * job->samples;
            const int64_t begin = job->at[beat] - job->zero + job->low;
            double *piece = pieces + lead * count;
            const double first = job->first[row] - (double)job->low;
            const double last = job->last[row] - (double)job->low;
            double *slope = slopes + lead * count, *up = ups + lead * count;
            double *down = downs + lead * count;
            /* Beyond an end of the recording its value is repeated. */
            for (int64_t c = 0; c < count; c++) {
                const int64_t sample = begin + c < job->samples ? begin + c : job->samples - 1;
                const int64_t from = sample > 0 ? sample : 0;
                piece[c] = x[from];
                slope[c] = (double)c >= first && (double)c <= last ? steep[from] : 0.0;
            }
            both_sides(slope, 1.0, count, job->reach, up, other, spare);
            both_sides(slope, -1.0, count, job->reach, down, other, spare);
            for (int64_t c = 0; c < count; c++)
                if ((double)c >= first && (double)c <= last)
                    profile[c] += up[c] > down[c] ? up[c] : down[c];
        }
        if (job->usual != NULL) {
            const double *usual = job->usual + beat * job->width + job->low;
            for (int64_t c = 0; c < count; c++) other[c] = profile[c] * usual[c];
            const int64_t chosen = argmax(other, count);
            for (int64_t c = 0; c < count; c++)
                if ((double)llabs((long long)(c - chosen)) > job->guide) profile[c] = -1.0;
        }
        const int64_t together = argmax(profile, count);
        for (int64_t lead = 0; lead < leads; lead++) {
            const int64_t row = lead * beats + beat;
            find(job, row, pieces + lead * count, slopes + lead * count, ups + lead * count, downs + lead * count, together, count);
        }
    }
    free(room);
    return 0;
}
