/* Sums in a fixed order, and order statistics without a sort. */
#ifndef ECGFOUNDRY_ORDER_H
#define ECGFOUNDRY_ORDER_H

#include <stdint.h>

#define LANES 8 /* partial sums */

static inline double together(const double *lane) {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static inline double sum_of(const double *x, int64_t count) {
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += x[i + k];
    for (; i < count; i++) lane[0] += x[i];
    return together(lane);
}

/* Put the value of a rank where a sort would put it, smaller ones before and larger ones behind.
 * What is smaller than the pivot is moved without a branch, which the processor could not foresee. */
static inline double ranked(double *x, int64_t count, int64_t rank) {
    int64_t low = 0, high = count - 1;
    while (low < high) {
        const int64_t half = low + (high - low) / 2;
        const double a = x[low], b = x[half], c = x[high];
        const int64_t middle =
            a < b ? (b < c ? half : a < c ? high : low) : (a < c ? low : b < c ? high : half);
        const double pivot = x[middle];
        x[middle] = x[low];
        int64_t place = low + 1; /* the smaller ones end before it */
        for (int64_t i = place; i <= high; i++) {
            const double value = x[i];
            x[i] = x[place];
            x[place] = value;
            place += value < pivot;
        }
        place--;
        x[low] = x[place];
        x[place] = pivot;
        if (rank < place) {
            high = place - 1;
            continue;
        }
        int64_t same = place + 1; /* those that are equal end before it */
        if (place - low < (high - low) / 8)
            for (int64_t i = same; i <= high; i++) {
                const double value = x[i];
                x[i] = x[same];
                x[same] = value;
                same += value == pivot;
            }
        if (rank < same) break;
        low = same;
    }
    return x[rank];
}

/* The median; x is put into another order. */
static inline double middle_of(double *x, int64_t count) {
    const int64_t half = count / 2;
    const double upper = ranked(x, count, half);
    if (count % 2) return upper;
    double lower = x[0];
    for (int64_t i = 1; i < half; i++) lower = x[i] > lower ? x[i] : lower;
    return (lower + upper) / 2.0;
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
