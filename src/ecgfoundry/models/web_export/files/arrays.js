// Small functions of arrays. NaN marks a missing sample.

// As Python and NumPy round: halves go to the even neighbour.
export function roundHalfEven(x) {
  const near = Math.round(x);
  return Math.abs(x % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near;
}

export function mean(x) {
  let sum = 0;
  for (const value of x) sum += value;
  return sum / x.length;
}

// The quantile of values without NaN, as numpy.percentile gives it.
export function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const lower = Math.floor(place);
  const upper = Math.min(lower + 1, sorted.length - 1);
  return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - lower);
}

export function median(values) {
  return quantile(Float64Array.from(values).sort(), 0.5);
}

export function isMissingThroughout(row) {
  return row.every(Number.isNaN);
}

// Join the samples on both sides of a gap by a straight line; beyond the ends they are repeated.
export function bridgeGaps(row) {
  const x = Float64Array.from(row);
  let before = -1;
  for (let k = 0; k <= x.length; k += 1) {
    if (k < x.length && Number.isNaN(x[k])) continue;
    if (k - before > 1) {
      for (let gap = before + 1; gap < k; gap += 1) {
        if (before < 0 && k === x.length) x[gap] = 0;
        else if (before < 0) x[gap] = x[k];
        else if (k === x.length) x[gap] = x[before];
        else x[gap] = x[before] + ((x[k] - x[before]) * (gap - before)) / (k - before);
      }
    }
    before = k;
  }
  return x;
}
