/* What Python hands to quality.c; the same structures stand in signals/lead_metrics.py. */
#ifndef ECGFOUNDRY_QUALITY_H
#define ECGFOUNDRY_QUALITY_H

#include <stdint.h>

typedef struct {
    int64_t missing;         /* samples that are NaN */
    int64_t flat_blocks;     /* blocks without any deflection, gaps bridged */
    int64_t saturated;       /* samples in long runs at the highest or lowest value */
    int64_t spikes;          /* of a pacemaker, gaps as 0 */
    double low, middle, high; /* 0.5th percentile, median and 99.5th percentile of what is there */
} ecgfoundry_lead_figures;

typedef struct {
    const void *input;                /* float32 or float64, NaN = missing */
    double *filled;                   /* (rows, samples): gaps bridged by straight lines */
    ecgfoundry_lead_figures *figures; /* (rows) */
    int64_t rows, samples, row_stride; /* in elements */
    int64_t flat_block;               /* samples; blocks that do not fit do not count, but for */
    double flat_amplitude;            /* a row shorter than one, which is a block of its own */
    int64_t saturated_run;            /* samples */
    int64_t spike_reach;              /* samples; 0: spikes are not looked for */
    double spike_height, spike_share; /* mV, and share of the 0.5th to 99.5th percentile range */
    double spike_distance;            /* samples; spikes that are closer are one */
    int32_t dtype, reserved;          /* 0: float32, 1: float64 */
} ecgfoundry_quality_job;

typedef struct {
    const void *input;         /* rows as above */
    const int64_t *row;        /* of lead I, of lead II, and of the leads to compare */
    const double *coefficient; /* (compared, 2): the lead as a * I + b * II */
    double *result;            /* (compared) */
    int64_t compared, samples, row_stride;
    int64_t width;             /* samples of the running mean that is taken away first */
    int32_t dtype, reserved;
} ecgfoundry_limb_job;

#endif
