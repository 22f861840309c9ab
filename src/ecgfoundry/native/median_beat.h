/* What Python hands to median_beat.c; the same structure stands in
 * measurements/median_beat_kernel.py. */
#ifndef ECGFOUNDRY_MEDIAN_BEAT_H
#define ECGFOUNDRY_MEDIAN_BEAT_H

#include <stdint.h>

typedef struct {
    const double *signal; /* (leads, samples), without gaps */
    const int64_t *beats; /* (count): each with its whole window inside */
    double *values;       /* (leads, width): out, the median beat */
    double *noise;        /* (leads): out, root mean square around it; NaN with one beat */
    double *likeness;     /* (count): out, correlation of each complex with the median one */
    int64_t leads, samples, count;
    int64_t zero, width;  /* the beat in its window, and the window's length */
    int64_t level[2];     /* columns whose median is the zero line */
    int64_t reach;        /* to either side of the beat complexes are compared */
    double alike;         /* correlation from which a beat counts */
    int64_t used;         /* out: how many beats count */
} ecgfoundry_median_beat_job;

#endif
