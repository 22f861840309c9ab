/* What Python hands to complexes.c; the same structures stand in measurements/wave_kernel.py. */
#ifndef ECGFOUNDRY_COMPLEXES_H
#define ECGFOUNDRY_COMPLEXES_H

#include <stdint.h>

typedef struct {
    const double *x, *slope;         /* (leads, samples): mV, and mV per sample */
    const int64_t *beats;            /* (beats): samples of the R peaks */
    const double *noise;             /* (leads): the usual slope between the waves */
    double *onset, *offset, *height; /* (leads, beats): out; samples from the R peak, and mV */
    int64_t leads, samples, count;
    int64_t zero, width;             /* the R peak in a window around it, and its length */
    int64_t core;                    /* to either side of the R peak the steepest slope stands */
    int64_t gap, before, after;
    double onset_share, offset_share, noise_factor, most_share;
} ecgfoundry_complexes_job;

typedef struct {
    const double *x;           /* (leads, samples) */
    const double *begin, *end; /* (leads, beats): samples; what is no whole number is rounded */
    double *out;               /* (leads, samples): with straight lines from begin to before end */
    int64_t leads, samples, count;
} ecgfoundry_bridge_job;

#endif
