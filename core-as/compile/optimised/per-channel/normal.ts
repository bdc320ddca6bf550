// The normal distribution: what error budgets and the input model calculate with.
// SPDX-License-Identifier: MIT

/** Density of the standard normal distribution. */
export const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** Share of a standard normal distribution above x; relative error below 1e-6 for x from -6 to 8. */
export function shareAbove(x: number): number {
  if (x < 0) return 1 - shareAbove(-x);
  if (x > 3) {
    // Continued fraction of Mills' ratio, which converges fast out there.
    let rest = x;
    for (let k = 40; k >= 1; k--) rest = x + k / rest;
    return density(x) / rest;
  }
  // Series of the integral from 0.
  let [term, sum] = [x, x];
  for (let k = 1; k < 60; k++) {
    term *= (x * x) / (2 * k + 1);
    sum += term;
  }
  return 0.5 - density(x) * sum;
}

/** Mean and deviation of a normal variable that is cut off at both ends: what lies outside counts as the end. */
export function clippedNormal(
  mean: number,
  deviation: number,
  least: number,
  most: number,
): { mean: number; deviation: number } {
  if (!(deviation > 1e-9)) return { mean: Math.min(Math.max(mean, least), most), deviation: 0 };
  const [a, b] = [(least - mean) / deviation, (most - mean) / deviation];
  const [below, above] = [shareAbove(-a), shareAbove(b)];
  const inside = Math.max(0, 1 - below - above);
  const [da, db] = [density(a), density(b)];
  const first = least * below + most * above + mean * inside + deviation * (da - db);
  const second =
    least ** 2 * below +
    most ** 2 * above +
    (mean ** 2 + deviation ** 2) * inside +
    deviation * ((mean + least) * da - (mean + most) * db);
  return {
    mean: Math.min(Math.max(first, least), most),
    deviation: Math.sqrt(Math.max(0, second - first ** 2)),
  };
}

/**
 * Share of outputs that are more than `steps` output steps off when the error before rounding is normal with this deviation: an
 * error of e between two whole numbers leads to the larger one of them with the probability e minus the smaller one.
 */
export function shareBeyond(steps: number, deviation: number): number {
  if (!(deviation > 0)) return 0;
  const t = steps / deviation;
  const excess = (at: number): number => deviation * (density(at) - at * shareAbove(at));
  // 2 E[min(1, (|e| - steps)+)], by the part beyond `steps` minus the part beyond `steps + 1`.
  return 2 * (excess(t) - excess((steps + 1) / deviation));
}
