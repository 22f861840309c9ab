/* How much energy the slope of all leads together has around every sample, and how high beats stand:
 * measurements/beats.py, where it is described, does the same in NumPy and SciPy. */
#include "detection.h"

#include "order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)

#define MOST_REACH 32 /* blocks */

/* ---- along a lead ----------------------------------------------------------------------------- */

/* numpy.gradient, squared. */
static void squared_slope(const double *x, int64_t samples, double *out) {
    for (int64_t i = 1; i < samples - 1; i++) {
        const double slope = (x[i + 1] - x[i - 1]) / 2.0;
        out[i] = slope * slope;
    }
    const double first = x[1] - x[0], last = x[samples - 1] - x[samples - 2];
    out[0] = first * first;
    out[samples - 1] = last * last;
}

/* scipy.ndimage.uniform_filter1d in place, in its order; mirrored at the ends. */
static void moving_average(double *x, int64_t samples, int64_t width, double *padded) {
    const int64_t left = width / 2, right = width - left - 1;
    for (int64_t i = 0; i < left; i++) padded[left - 1 - i] = x[i];
    memcpy(padded + left, x, (size_t)samples * sizeof *x);
    for (int64_t i = 0; i < right; i++) padded[left + samples + i] = x[samples - 1 - i];
    double sum = 0.0;
    for (int64_t i = 0; i < width; i++) sum += padded[i];
    x[0] = sum;
    for (int64_t i = 1; i < samples; i++) x[i] = sum += padded[i + width - 1] - padded[i - 1];
    for (int64_t i = 0; i < samples; i++) x[i] /= (double)width;
}

/* Maxima of blocks, each of two hops; of the whole where there is no block. */
static void block_maxima(const double *x, int64_t samples, int64_t hop, int64_t blocks,
                         double *out) {
    const int64_t hops = samples / hop;
    double before = -INFINITY;
    for (int64_t k = 0; k < hops; k++) {
        double most = x[k * hop];
        for (int64_t i = k * hop + 1; i < (k + 1) * hop; i++) most = x[i] > most ? x[i] : most;
        if (k > 0) out[k - 1] = before > most ? before : most;
        before = most;
    }
    if (hops >= 2) return;
    double most = x[0];
    for (int64_t i = 1; i < samples; i++) most = x[i] > most ? x[i] : most;
    out[blocks - 1] = most;
}

/* Medians of the same blocks, nearly: the mean of those of their two hops. */
static void block_medians(const double *x, int64_t samples, int64_t hop, double *spare,
                          double *out) {
    const int64_t hops = samples / hop;
    double before = 0.0;
    for (int64_t k = 0; k < hops && hops >= 2; k++) {
        memcpy(spare, x + k * hop, (size_t)hop * sizeof *x);
        const double here = middle_of(spare, hop);
        if (k > 0) out[k - 1] = (before + here) / 2.0;
        before = here;
    }
    if (hops >= 2) return;
    memcpy(spare, x, (size_t)samples * sizeof *x);
    out[0] = middle_of(spare, samples);
}

/* ---- along the blocks ------------------------------------------------------------------------- */

/* Median over `reach` neighbours to either side, mirrored at the ends. */
static void running_median(const double *x, int64_t blocks, int64_t reach, double *out) {
    double near[2 * MOST_REACH + 1];
    for (int64_t k = 0; k < blocks; k++) {
        for (int64_t i = -reach; i <= reach; i++) {
            int64_t place = k + i;
            if (blocks > reach) {
                place = place < 0 ? -place : place;
                place = place >= blocks ? 2 * (blocks - 1) - place : place;
            } else {
                place = place < 0 ? 0 : place >= blocks ? blocks - 1 : place;
            }
            near[i + reach] = x[place];
        }
        out[k] = middle_of(near, 2 * reach + 1);
    }
}

/* One value per block spread over the samples, linear between the middles of the blocks. */
static void spread(const double *x, int64_t blocks, int64_t hop, int64_t samples, double *out) {
    const int64_t first = smaller(hop, samples), last = smaller(hop * blocks, samples);
    for (int64_t i = 0; i < first; i++) out[i] = x[0];
    for (int64_t k = 0; k + 1 < blocks; k++) {
        const double slope = (x[k + 1] - x[k]) / (double)hop;
        double *to = out + (k + 1) * hop;
        const int64_t count = smaller(hop, samples - (k + 1) * hop);
        for (int64_t i = 0; i < count; i++) to[i] = slope * (double)i + x[k];
    }
    for (int64_t i = last; i < samples; i++) out[i] = x[blocks - 1];
}

/* ---- all leads -------------------------------------------------------------------------------- */

/* How high the highest fiftieth of the samples typically is. */
static double size_of(const double *x, int64_t samples, double *spare) {
    const int64_t count = larger(1, samples / 50);
    for (int64_t i = 0; i < samples; i++) spare[i] = x[i] * x[i];
    ranked(spare, samples, samples - count);
    const double size = sqrt(middle_of(spare + samples - count, count));
    return size > 1e-12 ? size : 1e-12;
}

/* The largest distance from 0, and not 0. */
static double furthest(const double *x, int64_t samples) {
    double lane[LANES];
    for (int k = 0; k < LANES; k++) lane[k] = 1e-30;
    int64_t i = 0;
    for (; i + LANES <= samples; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] = fabs(x[i + k]) > lane[k] ? fabs(x[i + k]) : lane[k];
    for (; i < samples; i++) lane[0] = fabs(x[i]) > lane[0] ? fabs(x[i]) : lane[0];
    for (int k = 1; k < LANES; k++) lane[0] = lane[k] > lane[0] ? lane[k] : lane[0];
    return lane[0];
}

static void add_to(double *sum, const double *x, int64_t count) {
    for (int64_t i = 0; i < count; i++) sum[i] += x[i];
}

/* Each lead scaled to its own beats around and weighted by how far they stand out there. */
static void join(ecgfoundry_detection_job *job, const char *usable, const double *usual,
                 const double *maxima, double *energy, double *room) {
    const int64_t samples = job->samples, blocks = job->blocks, hop = job->hop;
    double *around = room, *weight = around + samples, *together_ = weight + samples;
    double *total = together_ + samples, *back = total + samples, *levels = back + samples;
    memset(together_, 0, (size_t)(3 * samples) * sizeof *room);
    for (int64_t lead = 0; lead < job->leads; lead++) {
        double *own = job->weights + lead * blocks, *here = energy + lead * samples;
        if (!usable[lead]) {
            for (int64_t k = 0; k < blocks; k++) own[k] = 0.0;
            continue;
        }
        running_median(maxima + lead * blocks, blocks, job->reach, levels);
        spread(levels, blocks, hop, samples, around);
        const double least = job->least_around * usual[lead];
        for (int64_t i = 0; i < samples; i++) {
            around[i] = around[i] > least ? around[i] : least;
            here[i] /= around[i];
        }
        block_medians(here, samples, hop, weight, levels);
        running_median(levels, blocks, job->reach, own);
        for (int64_t k = 0; k < blocks; k++) {
            const double floor = own[k] + job->floor_offset;
            own[k] = 1.0 / (floor * floor);
        }
        spread(own, blocks, hop, samples, weight);
        add_to(together_, weight, samples);
        for (int64_t i = 0; i < samples; i++) {
            total[i] += weight[i] * here[i];
            back[i] += weight[i] * around[i] / usual[lead];
        }
    }
    for (int64_t i = 0; i < samples; i++) {
        const double joined = total[i] * back[i] / (together_[i] * together_[i]);
        job->feature[i] = sqrt(joined > 0 ? joined : 0.0);
    }
    for (int64_t k = 0; k < blocks; k++) {
        double sum = 0.0;
        for (int64_t lead = 0; lead < job->leads; lead++) sum += job->weights[lead * blocks + k];
        for (int64_t lead = 0; lead < job->leads; lead++) job->weights[lead * blocks + k] /= sum;
    }
}

/* 0: done; 1: no memory; 2: too short, or the level reaches too far. */
int JOIN(ecgfoundry_detection, INSTRUCTIONS)(const ecgfoundry_detection_job *given) {
    ecgfoundry_detection_job *job = (ecgfoundry_detection_job *)given; /* usual, found */
    const int64_t leads = job->leads, samples = job->samples, blocks = job->blocks;
    const int64_t hop = job->hop, widest = larger(job->smooth[0], job->smooth[1]);
    if (leads < 1 || samples < 2 || hop < 1 || job->smooth[0] < 1 || job->smooth[1] < 1 ||
        widest > samples || job->reach < 0 || job->reach > MOST_REACH || job->far_reach < 0 ||
        job->far_reach > MOST_REACH || blocks != larger(1, samples / hop - 1))
        return 2;
    const int64_t each = samples + widest + 2 * blocks;
    double *room = malloc((size_t)(leads * (samples + blocks + 1) + 7 * each) * sizeof *room +
                          (size_t)leads);
    if (room == NULL) return 1;
    double *energy = room, *maxima = energy + leads * samples, *usual = maxima + leads * blocks;
    double *spare = usual + leads;
    char *usable = (char *)(spare + 7 * each);
    int64_t number = 0, only = 0;
    for (int64_t lead = 0; lead < leads; lead++) {
        const double *x = job->band + lead * samples;
        double *own = energy + lead * samples;
        squared_slope(x, samples, own);
        for (int k = 0; k < 2; k++) moving_average(own, samples, job->smooth[k], spare);
        block_maxima(own, samples, hop, blocks, maxima + lead * blocks);
        memcpy(spare, maxima + lead * blocks, (size_t)blocks * sizeof *spare);
        usual[lead] = middle_of(spare, blocks);
        const double highest = furthest(x, samples);
        usable[lead] = usual[lead] > job->least_slope * (highest * highest) && usual[lead] > 1e-24;
        job->sizes[lead] = size_of(x, samples, spare);
        if (usable[lead]) {
            number++;
            only = lead;
        }
    }
    job->found = number > 0;
    if (number == 1) { /* a single lead is its own energy */
        for (int64_t i = 0; i < samples; i++) {
            const double here = energy[only * samples + i] / usual[only];
            job->feature[i] = sqrt(here > 0 ? here : 0.0);
        }
        for (int64_t lead = 0; lead < leads; lead++)
            for (int64_t k = 0; k < blocks; k++) job->weights[lead * blocks + k] = usable[lead];
    } else if (number > 1) {
        join(job, usable, usual, maxima, energy, spare);
    }
    if (number > 0) {
        double *wide = spare, *near = wide + blocks, *most = near + blocks;
        block_maxima(job->feature, samples, hop, blocks, most);
        running_median(most, blocks, job->far_reach, wide);
        running_median(most, blocks, job->reach, near);
        for (int64_t k = 0; k < blocks; k++) {
            const double least = job->pause_share * wide[k];
            near[k] = near[k] > least ? near[k] : least;
        }
        spread(near, blocks, hop, samples, job->level);
        memcpy(spare, job->feature, (size_t)samples * sizeof *spare);
        job->usual = middle_of(spare, samples);
    }
    free(room);
    return 0;
}

/* ---- where exactly a beat is ------------------------------------------------------------------ */

static int64_t within(int64_t at, int64_t count) { return at < 0 ? 0 : at >= count ? count - 1 : at; }

static int64_t highest(const double *x, int64_t count) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* Move beats to the largest deflection of the band, and then of the signal less its local median.
 * 0: done; 1: no memory; 2: nothing to look at. */
int JOIN(ecgfoundry_refine, INSTRUCTIONS)(const ecgfoundry_refine_job *job) {
    const int64_t reach = job->reach, around = job->around, fine = job->fine, count = job->count;
    if (job->leads < 1 || job->samples < 1 || reach < 0 || fine < 0 || around < fine ||
        (job->band != NULL && job->coarse < 1))
        return 2;
    const int64_t width = 2 * around + 1, most = larger(width, 2 * reach + 1);
    double *room = malloc((size_t)(2 * width + most) * sizeof *room);
    if (room == NULL) return 1;
    double *cut = room, *spare = cut + width, *size = spare + width;
    for (int64_t beat = 0; beat < count; beat++) {
        int64_t at = job->beats[beat];
        if (job->band != NULL) {
            for (int64_t i = 0; i <= 2 * reach; i++) size[i] = 0.0;
            for (int64_t lead = 0; lead < job->leads; lead++) {
                const double *x = job->band + lead * job->coarse;
                const double weight = job->weights[lead * count + beat];
                for (int64_t i = 0; i <= 2 * reach; i++) {
                    const double here = x[within(at - reach + i, job->coarse)] * weight;
                    size[i] += here * here;
                }
            }
            at = within(at - reach + highest(size, 2 * reach + 1), job->coarse);
        }
        at = at * job->factor + job->factor / 2;
        for (int64_t i = 0; i <= 2 * fine; i++) size[i] = 0.0;
        for (int64_t lead = 0; lead < job->leads; lead++) {
            const double *x = job->signal + lead * job->samples;
            const double weight = job->weights[lead * count + beat];
            for (int64_t i = 0; i < width; i++) cut[i] = x[within(at - around + i, job->samples)];
            memcpy(spare, cut, (size_t)width * sizeof *cut);
            const double level = middle_of(spare, width);
            for (int64_t i = 0; i <= 2 * fine; i++) {
                const double here = (cut[around - fine + i] - level) * weight;
                size[i] += here * here;
            }
        }
        job->beats[beat] = within(at - fine + highest(size, 2 * fine + 1), job->samples);
    }
    free(room);
    return 0;
}
