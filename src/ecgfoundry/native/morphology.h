/* What Python hands to morphology.c; the same structure stands in
 * measurements/morphology_kernel.py. */
#ifndef ECGFOUNDRY_MORPHOLOGY_H
#define ECGFOUNDRY_MORPHOLOGY_H

#include <stdint.h>

/* Columns of a lead's figures: the fields of LeadMeasurements but for snr_db, in their order. */
enum {
    P_MV, P_MS, P_NOTCHED, P_TERMINAL, P_AREA,
    Q_MV, Q_MS, R_MV, R_MS, S_MV, S_MS, R2_MV, R2_MS, S2_MV, S2_MS,
    QRS_MS, R_PEAK_TIME, QRS_NOTCHED, DELTA, QRS_AREA,
    ST_J, ST_J40, ST_J60, ST_J80, ST_SLOPE,
    T_MV, T2_MV, T_AREA,
    MORPHOLOGY_FIGURES
};

typedef struct {
    const double *values; /* (leads, columns): the median beat, mV */
    double *figures;      /* (leads, MORPHOLOGY_FIGURES): out, NaN: there is none */
    int64_t leads, columns;
    int64_t row;          /* figures of a lead: MORPHOLOGY_FIGURES, or the job is refused */
    int64_t terminal;     /* the lead whose P terminal force is measured; -1: none */
    double rate;          /* Hz */
    double p[2], qrs[2], t[2]; /* columns of onset and offset; NaN: not found */
    double least_wave_mv, least_wave_s;
    double notch_share, notch_mv, second_peak_share;
    double p_notch_s, p_notch_mv, p_notch_share, p_smoothing_s;
    double delta_slope_share, delta_least_s, delta_longest_s, delta_least_share;
    double delta_begin_share, slope_s;
    double st_s[4], st_half_s; /* behind the J point, and half of what each level is the mean of */
    double t_other_mv, t_other_share;
    double p_terminal_least_mv;
} ecgfoundry_morphology_job;

#endif
