/* What Python hands to standardize.c; the same structures stand in
 * preprocessing/native.py. */
#ifndef ECGFOUNDRY_STANDARDIZE_H
#define ECGFOUNDRY_STANDARDIZE_H

#include <stdint.h>

#define ECGFOUNDRY_SECTIONS 4

enum { ECGFOUNDRY_FLOAT32 = 0, ECGFOUNDRY_FLOAT64 = 1, ECGFOUNDRY_INT16 = 2 };
enum { ECGFOUNDRY_GENERAL = 0, ECGFOUNDRY_BAND_PASS = 1 };
enum { ECGFOUNDRY_JOINT = 0, ECGFOUNDRY_JOINT_PADDED = 1, ECGFOUNDRY_EACH = 2 };

typedef struct {
    int32_t kind;     /* general sections, or sections with zeros at 1 and -1 and a gain */
    int32_t sections;
    int64_t pad;      /* samples of odd extension on each side */
    double gain;      /* of a band-pass, in front of its sections */
    double section[ECGFOUNDRY_SECTIONS][6]; /* b0 b1 b2 a0 a1 a2, a0 = 1 */
} ecgfoundry_filter;

typedef struct {
    const void *input;
    float *output;          /* (windows, leads, output_samples) */
    const int64_t *starts;  /* of each window's first sample in input */
    const int64_t *left;    /* linear resampling: left neighbour and share of the right one of */
    const double *fraction; /* every output sample; NULL: none */
    const ecgfoundry_filter *filters;
    int64_t windows, leads, samples, lead_stride; /* samples: of a window in input */
    int64_t working;        /* samples at the recipe's rate, before decimation */
    int64_t output_samples;
    int64_t median_half;    /* the running median has 2 * half + 1 samples; 0: none */
    int64_t decimation;     /* every how many samples are kept */
    double gain;            /* int16: mV per unit */
    double epsilon;         /* joint: added to the deviation; each: flat below it */
    double clip;            /* 0: none */
    int32_t dtype, filter_count, scaling, reserved;
} ecgfoundry_job;

#endif
