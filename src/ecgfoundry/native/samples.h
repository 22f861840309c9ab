/* The samples of a lead: in float64, and in order without a sort. */
#ifndef ECGFOUNDRY_SAMPLES_H
#define ECGFOUNDRY_SAMPLES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef LANES
#define LANES 8 /* partial results of a reduction */
#endif
#define BINS 2048
#define SORTED 48 /* up to so many values are sorted by insertion */

typedef struct {
    uint16_t *of;    /* bin of every value */
    uint32_t *count; /* values in every bin, BINS */
} bins;

typedef struct {
    bins whole, finer;
    double *spare[2];
} order_room;

static inline void extremes(const double *x, int64_t count, double *low, double *high) {
    double lows[LANES], highs[LANES];
    for (int lane = 0; lane < LANES; lane++) lows[lane] = highs[lane] = x[0];
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int lane = 0; lane < LANES; lane++) {
            const double value = x[i + lane];
            lows[lane] = value < lows[lane] ? value : lows[lane];
            highs[lane] = value > highs[lane] ? value : highs[lane];
        }
    for (; i < count; i++) {
        lows[0] = x[i] < lows[0] ? x[i] : lows[0];
        highs[0] = x[i] > highs[0] ? x[i] : highs[0];
    }
    for (int lane = 1; lane < LANES; lane++) {
        lows[0] = lows[lane] < lows[0] ? lows[lane] : lows[0];
        highs[0] = highs[lane] > highs[0] ? highs[lane] : highs[0];
    }
    *low = lows[0];
    *high = highs[0];
}

static inline void sort_few(double *x, int64_t count) {
    for (int64_t i = 1; i < count; i++) {
        const double value = x[i];
        int64_t k = i;
        for (; k > 0 && x[k - 1] > value; k--) x[k] = x[k - 1];
        x[k] = value;
    }
}

/* Bin of every value, on a straight line from the lowest to the highest: a larger value never gets a
 * lower bin. Returns 0 for a range of 0, or one too small to divide by. */
static inline int into_bins(const double *x, int64_t count, double low, double high, bins *result) {
    const double range = high - low;
    if (!(range > 1e-290)) return 0;
    const double scale = (double)BINS / range;
    for (int64_t i = 0; i < count; i++) {
        const int32_t bin = (int32_t)((x[i] - low) * scale);
        result->of[i] = (uint16_t)(bin < BINS - 1 ? bin : BINS - 1);
    }
    memset(result->count, 0, BINS * sizeof *result->count);
    for (int64_t i = 0; i < count; i++) result->count[result->of[i]]++;
    return 1;
}

static inline int64_t members_of(const double *x, int64_t count, const bins *of, int bin, double *found) {
    int64_t members = 0;
    for (int64_t i = 0; i < count; i++) {
        found[members] = x[i];
        members += of->of[i] == bin;
    }
    return members;
}

/* The values of a rank and the next among values that are in bins (room->whole). Few share a bin:
 * those are sorted, or put into finer bins. */
static inline void two_ranks(const double *x, int64_t count, int64_t rank, double *lower, double *upper,
                      order_room *room) {
    int64_t next = rank + 1 < count ? rank + 1 : rank;
    const bins *now = &room->whole;
    for (int turn = 0;; turn = 1 - turn) {
        int64_t below = 0;
        int first = 0;
        while (below + now->count[first] <= rank) below += now->count[first++];
        double low, high;
        double *found = room->spare[turn];
        int64_t members = members_of(x, count, now, first, found);
        if (next - below >= members) { /* the ranks stand in two bins: the ends that face each other */
            extremes(found, members, &low, lower);
            int last = first + 1;
            while (now->count[last] == 0) last++;
            members = members_of(x, count, now, last, found);
            extremes(found, members, upper, &high);
            return;
        }
        rank -= below;
        next -= below;
        if (members <= SORTED) {
            sort_few(found, members);
            *lower = found[rank];
            *upper = found[next];
            return;
        }
        extremes(found, members, &low, &high);
        if (!into_bins(found, members, low, high, &room->finer)) {
            *lower = *upper = low;
            return;
        }
        now = &room->finer;
        x = found;
        count = members;
    }
}

/* As numpy.percentile: on a line between the neighbours. */
static inline double percentile(const double *x, int64_t count, double share, order_room *room) {
    const double place = share * (double)(count - 1);
    const int64_t rank = (int64_t)place;
    double lower, upper;
    two_ranks(x, count, rank, &lower, &upper, room);
    const double part = place - (double)rank, step = upper - lower;
    return part >= 0.5 ? upper - step * (1.0 - part) : lower + step * part;
}

static inline double median(const double *x, int64_t count, order_room *room) {
    double lower, upper;
    two_ranks(x, count, (count - 1) / 2, &lower, &upper, room);
    return count % 2 ? lower : (lower + upper) / 2.0;
}

/* The median of numbers whose distances are finite. */
static inline double median_of(const double *x, int64_t samples, order_room *room) {
    double low, high;
    extremes(x, samples, &low, &high);
    return into_bins(x, samples, low, high, &room->whole) ? median(x, samples, room) : low;
}

/* As float64; of float32 (dtype 0) or float64. */
static inline void load(const void *input, int32_t dtype, int64_t offset, int64_t samples,
                        double *x) {
    if (dtype == 0) {
        const float *from = (const float *)input + offset;
        for (int64_t i = 0; i < samples; i++) x[i] = (double)from[i];
    } else {
        memcpy(x, (const double *)input + offset, (size_t)samples * 8);
    }
}

/* One piece of memory for the room and `extra` arrays of doubles; NULL: there is none. */
static inline char *make_room(int64_t samples, int extra, double **arrays, order_room *room) {
    const size_t doubles = ((size_t)samples * 8 + 127) / 64 * 64;
    const size_t shorts = ((size_t)samples * 2 + 127) / 64 * 64;
    const size_t counts = BINS * sizeof(uint32_t);
    char *memory = malloc((size_t)(extra + 2) * doubles + 2 * shorts + 2 * counts + 64);
    if (memory == NULL) return NULL;
    char *at = memory + (64 - (uintptr_t)memory % 64) % 64;
    for (int k = 0; k < extra; k++, at += doubles) arrays[k] = (double *)at;
    for (int k = 0; k < 2; k++, at += doubles) room->spare[k] = (double *)at;
    room->whole.count = (uint32_t *)at;
    room->finer.count = (uint32_t *)(at + counts);
    room->whole.of = (uint16_t *)(at + 2 * counts);
    room->finer.of = (uint16_t *)(at + 2 * counts + shorts);
    return memory;
}

#endif
