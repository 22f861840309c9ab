/* What Python hands to recognition.c; the same structures stand in
 * measurements/recognition_kernel.py. */
#ifndef ECGFOUNDRY_RECOGNITION_H
#define ECGFOUNDRY_RECOGNITION_H

#include <stdint.h>

typedef struct {
    const double *band, *coarse; /* (leads, samples) */
    const double *shares;        /* (leads) */
    const int64_t *beats;        /* (count), ascending, each a sample */
    int64_t *kept;               /* (count): out, numbers of the beats that were compared */
    double *likeness;            /* (count, count): out, of (kept, kept) one after the other */
    double *figures;             /* (13): out, in the order of FIGURES; NaN: there is none */
    int64_t leads, samples, count;
    int64_t kept_count;          /* out */
    int64_t reach;               /* to either side of a beat, by which beats are compared */
    int64_t edge_reach, focus, spike; /* of the median beat, samples */
    int64_t many;                /* from so many complexes on the commonest ones are counted */
    int64_t extremes;            /* of every beat, of the correlations with the commonest shape */
    double near, away;           /* of the contrast, samples */
    double least_away;           /* share of the samples that must be away */
    double alike;                /* correlation of complexes of one shape */
    double wide_reach;           /* of the median beat, samples, before it is rounded */
    double usual;                /* interval where there is one beat, samples */
    double rate;                 /* Hz */
    double slow, sharp, crisp;   /* where the shares of power begin, Hz */
} ecgfoundry_recognition_job;

typedef struct {
    const double *band;     /* (leads, samples), between the frequencies in question */
    const int64_t *beats;   /* (count), ascending */
    const uint8_t *alike;   /* (count, count): which beats have the same shape */
    double *ratio;          /* (leads): out, power of the beats over that of the noise */
    int64_t leads, samples, count;
    int64_t before, after;  /* of a beat, samples */
    int64_t neighbour;      /* samples near to another beat are not compared */
    double qrs;             /* nor are those near to its own, samples */
    double floor;           /* share of the power under which no noise is seen */
    int64_t found;          /* out: 0 where nothing could be compared */
} ecgfoundry_noise_job;

#endif
