/* What Python hands to waves.c; the same structure stands in measurements/wave_kernel.py. */
#ifndef ECGFOUNDRY_WAVES_H
#define ECGFOUNDRY_WAVES_H

#include <stdint.h>

typedef struct {
    const double *x, *slope;     /* (leads, samples): mV, and mV per column */
    const int64_t *at;           /* (beats): samples of the R peaks */
    const double *first, *last;  /* (leads, beats): columns between which a wave is looked for */
    const double *least;         /* (leads, beats): its height at least, mV */
    const double *usual;         /* (beats, width): how likely its peak is there; may be NULL */
    double *onset, *peak, *offset; /* (leads, beats): columns, NaN where there is none */
    int64_t leads, beats, samples;
    int64_t zero, width;         /* the R peak in a window around it, and its length */
    int64_t low, high;           /* columns that are looked at at all */
    int64_t reach;               /* from the peak to its steepest slopes, columns */
    double room;                 /* fewer columns between first and last hold no wave */
    double guide;                /* a lead's peak is so near to that of all leads, columns */
    double before, behind;       /* from the peak to where its slopes are steepest at most */
    double onset_share, offset_share; /* of the steepest slope, at which a wave has faded */
    double lobe_reach, lobe_share, lobe_depth; /* of a second lobe; reach < 0: none */
} ecgfoundry_waves_job;

#endif
