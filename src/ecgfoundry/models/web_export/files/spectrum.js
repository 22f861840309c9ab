// The power spectrum of a real row of any length.

// Bluestein: a transform of any length as a convolution of a power of two.
export function powerSpectrum(x) {
  const n = x.length;
  let size = 1;
  while (size < 2 * n) size *= 2;
  const cosine = new Float64Array(n);
  const sine = new Float64Array(n);
  for (let k = 0; k < n; k += 1) {
    const angle = (Math.PI * ((k * k) % (2 * n))) / n;
    cosine[k] = Math.cos(angle);
    sine[k] = Math.sin(angle);
  }
  const [a, b, c, d] = [0, 1, 2, 3].map(() => new Float64Array(size));
  for (let k = 0; k < n; k += 1) {
    a[k] = x[k] * cosine[k];
    b[k] = -x[k] * sine[k];
    c[k] = cosine[k];
    d[k] = sine[k];
    if (k > 0) {
      c[size - k] = cosine[k];
      d[size - k] = sine[k];
    }
  }
  transform(a, b);
  transform(c, d);
  for (let k = 0; k < size; k += 1) {
    const real = a[k] * c[k] - b[k] * d[k];
    // Conjugated, so that the same transform goes back; the size of the result stays.
    b[k] = -(a[k] * d[k] + b[k] * c[k]);
    a[k] = real;
  }
  transform(a, b);
  const power = new Float64Array(Math.floor(n / 2) + 1);
  for (let k = 0; k < power.length; k += 1) power[k] = (a[k] ** 2 + b[k] ** 2) / size ** 2;
  return power;
}

// In place; the length is a power of two.
function transform(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i += 1) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  const cosine = new Float64Array(n / 2);
  const sine = new Float64Array(n / 2);
  for (let k = 0; k < n / 2; k += 1) {
    cosine[k] = Math.cos((2 * Math.PI * k) / n);
    sine[k] = -Math.sin((2 * Math.PI * k) / n);
  }
  for (let length = 2; length <= n; length *= 2) {
    const step = n / length;
    for (let start = 0; start < n; start += length) {
      for (let k = 0; k < length / 2; k += 1) {
        const [one, other] = [start + k, start + k + length / 2];
        const re = real[other] * cosine[k * step] - imaginary[other] * sine[k * step];
        const im = real[other] * sine[k * step] + imaginary[other] * cosine[k * step];
        real[other] = real[one] - re;
        imaginary[other] = imaginary[one] - im;
        real[one] += re;
        imaginary[one] += im;
      }
    }
  }
}
