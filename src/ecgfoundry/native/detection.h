/* What Python hands to detection.c; the same structure stands in measurements/detection_kernel.py. */
#ifndef ECGFOUNDRY_DETECTION_H
#define ECGFOUNDRY_DETECTION_H

#include <stdint.h>

typedef struct {
    const double *band;  /* (leads, samples) */
    double *feature;     /* (samples): out, root of the joined energy of the slope */
    double *level;       /* (samples): out, how high beats stand around */
    double *weights;     /* (leads, blocks): out, how much each lead counts, sum 1 */
    double *sizes;       /* (leads): out, how high the highest fiftieth of the samples is */
    int64_t leads, samples;
    int64_t hop, blocks;      /* samples of half a block, and blocks */
    int64_t smooth[2];        /* widths of the moving averages over the squared slope, samples */
    int64_t reach, far_reach; /* blocks to either side of the level, and of that in pauses */
    double pause_share;       /* of the level of pauses */
    double least_slope, least_around, floor_offset;
    double usual;        /* out: median of the feature */
    int64_t found;       /* out: 0 where no lead has any slope */
} ecgfoundry_detection_job;

typedef struct {
    const double *signal;  /* (leads, samples): the readable leads, without gaps */
    const double *band;    /* (leads, coarse): of every `factor` samples one; may be NULL */
    const double *weights; /* (leads, beats) */
    int64_t *beats;        /* (beats): in, samples of the band; out, samples of the signal */
    int64_t leads, samples, coarse, count;
    int64_t factor;
    int64_t reach;         /* to either side, samples of the band: moved so far at first */
    int64_t fine, around;  /* to either side, samples: moved so far, and what the level is of */
} ecgfoundry_refine_job;

#endif
