/* What Python hands to beat_features.c; the same structure stands in
 * measurements/beat_features_kernel.py. */
#ifndef ECGFOUNDRY_BEAT_FEATURES_H
#define ECGFOUNDRY_BEAT_FEATURES_H

#include <stdint.h>

/* BEAT_FEATURES of measurements/beat_features.py, in its order. */
enum {
    RR_BEFORE, RR_AFTER, RR_BEFORE_NEAR, RR_BEFORE_NEAR_MEAN, RR_BEFORE_FAR, RR_AFTER_NEAR,
    RR_AFTER_NEAR_MEAN, RR_BEFORE_AFTER, RR_BEFORE_EARLIER, RR_AFTER_LATER, RR_EARLIER_NEAR,
    RR_LATER_NEAR, RR_PAIR_NEAR, RR_NEAR, RR_BEFORE_NEAR_HIGH, RR_BEFORE_FAR_HIGH, RR_RANK,
    RR_SCORE, IRREGULARITY, IRREGULARITY_FAR, REGULAR_SHARE, REGULAR_SHARE_FAR,
    LIKE_REFERENCE, LIKE_BEFORE, LIKE_AFTER, GAIN, WIDTH, WIDTH_REFERENCE, DURATION,
    DURATION_REFERENCE, SIZE_REFERENCE, QRS_REST, T_REST, T_REST_BEFORE, T_LIKE, DISCORDANCE,
    P_LIKE, P_GAIN, P_REST, P_SIZE, P_REFERENCE, P_BEST, P_SHIFT, P_LIKE_NEAR, P_LIKE_BEFORE,
    P_LIKE_AFTER, P_LIKE_ROW, P_LIKE_FAR, FIBRILLATION,
    GROUP_SHARE, GROUP_EARLY, GROUP_WIDTH, GROUP_LIKE, GROUP_P_LIKE,
    USUAL_BEFORE, USUAL_SINCE, USUAL_UNTIL, USUAL_AROUND, USUAL_BEFORE_HIGH, USUAL_BEFORE_ALL,
    USUAL_BEFORE_ALL_HIGH, USUAL_IRREGULARITY, USUAL_IRREGULARITY_ALL, USUAL_REGULAR_ALL,
    USUAL_SHARE,
    BEAT_FEATURE_COUNT
};

typedef struct {
    const float *values;    /* (leads, beats, columns): the beats, cut out */
    const float *vectors;   /* (beats, width): their QRS complexes, all leads in one */
    const double *centre;   /* (beats): seconds, rising */
    const int64_t *number;  /* (beats): template, below 0: none */
    const int64_t *sizes;   /* (templates) */
    double *table;          /* (beats, BEAT_FEATURE_COUNT): out */
    int64_t leads, beats, columns, width, templates;
    int64_t reference;      /* the template of the usual beats; below 0: all are */
    int64_t qrs[2], t[2], p[2]; /* columns from the first to before the second */
    int64_t shift, step;    /* a P wave may be moved by so many columns, so many at a time */
    int64_t near, far, row; /* beats to either side */
    double rate;            /* columns per second */
    double high_share, regular, late_share, least_lead, least_ratio, most_ratio;
} ecgfoundry_beat_features_job;

#endif
