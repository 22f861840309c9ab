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

/* Put the value of a rank where a sort would put it, smaller ones before and larger ones behind. */
static inline double ranked(double *x, int64_t count, int64_t rank) {
    int64_t low = 0, high = count - 1;
    while (low < high) {
        const int64_t half = low + (high - low) / 2;
        const double a = x[low], b = x[half], c = x[high];
        const double pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot) i++;
            while (x[j] > pivot) j--;
            if (i <= j) {
                const double spare = x[i];
                x[i++] = x[j];
                x[j--] = spare;
            }
        }
        if (rank <= j)
            high = j;
        else if (rank >= i)
            low = i;
        else
            break;
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
