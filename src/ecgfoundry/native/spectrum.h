/* What Python hands to spectrum.c; the same structures stand in signals/spectrum_kernel.py and
 * measurements/lead_features_kernel.py. */
#ifndef ECGFOUNDRY_SPECTRUM_H
#define ECGFOUNDRY_SPECTRUM_H

#include <stdint.h>

typedef struct {
    const double *input;  /* (rows, samples), finite */
    const double *turns;  /* (samples, 2): cosine and sine of -2 pi k / samples */
    const double *taper;  /* (samples): rows are multiplied by it when their mean is gone */
    const int64_t *band;  /* (bands, 2): first bin, and the one before which it ends */
    double *power;        /* (rows, bands): out, the sum of the squared spectrum */
    int64_t rows, samples, bands;
} ecgfoundry_band_power_job;

/* Columns of a lead's figures, FIGURES of measurements/lead_features_kernel.py in its order. */
enum {
    LEVEL, QRS_BAND, ABOVE, BELOW, LARGEST, STILL, KURTOSIS,
    LOUDEST, QUIETEST, DRIFT, STEEPEST, UNEVEN, WANDER,
    LEAD_FIGURES
};

typedef struct {
    const void *input;    /* rows of float32 or float64, not finite = missing */
    const double *turns;  /* as above */
    double *figures;      /* (rows, LEAD_FIGURES): out */
    int64_t rows, samples, row_stride;  /* the stride in elements */
    int64_t row;          /* LEAD_FIGURES, or the job is refused */
    int64_t piece, pieces; /* samples of a piece, and how many there are */
    int64_t middle[2], qrs[2], above[2]; /* bins: the first, and the one before which they end */
    int64_t slow;         /* what is slow ends before this bin */
    double rate;          /* Hz */
    double still;         /* mV from peak to peak: below it a piece is still */
    double least_range;   /* mV, added to the usual range of a piece before dividing by it */
    int32_t dtype, reserved; /* 0: float32, 1: float64 */
} ecgfoundry_lead_features_job;

#endif
