// Work in pieces: a generator that yields where it may pause, so that the same code runs at once or lets events in between.
// SPDX-License-Identifier: MIT

/** Yields the share of itself that is done (0..1, never less than before) wherever it may pause. */
export type Steps<T> = Generator<number, T, void>;

/** Runs work to its end without a pause. */
export function finish<T>(steps: Generator<unknown, T, void>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * One piece of work after the other.
 * @param weightOf how much of the whole an item is, in any unit
 * @returns what the pieces return, in order
 */
export function* eachInTurn<I, T>(
  items: readonly I[],
  weightOf: (item: I) => number,
  work: (item: I) => Steps<T>,
): Steps<T[]> {
  const total = items.reduce((sum, item) => sum + weightOf(item), 0);
  const results: T[] = [];
  let before = 0;
  for (const item of items) {
    const weight = weightOf(item);
    const steps = work(item);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) yield (before + weight * step.value) / total;
    results.push(step.value);
    before += weight;
  }
  return results;
}
