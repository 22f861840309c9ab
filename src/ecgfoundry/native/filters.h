/* What Python hands to filters.c; the same structures stand in signals/kernels.py. */
#ifndef ECGFOUNDRY_FILTERS_H
#define ECGFOUNDRY_FILTERS_H

#include <stdint.h>

typedef struct {
    const double *input;    /* (rows, samples) */
    double *output;         /* (rows, samples) */
    const double *section;  /* (sections, 6): b0 b1 b2 1 a1 a2 */
    const double *steady;   /* (sections, 2): the state in a steady 1 */
    int64_t rows, samples;
    int64_t pad;            /* samples turned about each end, fewer than there are */
    int64_t sections;       /* 1 to 4 */
} ecgfoundry_sections_job;

typedef struct {
    const double *input;    /* (rows, samples) */
    double *output;         /* (rows, samples) */
    const double *weight;   /* (2 * reach + 1), symmetric or antisymmetric about the middle */
    int64_t rows, samples, reach;
    int64_t sign;           /* 1: symmetric, -1: antisymmetric */
} ecgfoundry_correlate_job;

typedef struct {
    const double *input;    /* (groups, members, columns), no NaN */
    double *output;         /* (groups, columns): median of the members */
    int64_t groups, members, columns;
} ecgfoundry_medians_job;

#endif
