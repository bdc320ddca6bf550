// A stable sort of indices by falling score.
// SPDX-License-Identifier: MIT

function word(list: usize, index: i32): usize {
  return list + ((<usize>index) << 2);
}

function scoreAt(scores: usize, list: usize, index: i32): f32 {
  return load<f32>(word(scores, load<i32>(word(list, index))));
}

/** Merges the sorted runs [from, middle) and [middle, to) of `list` into `target`. */
function mergeRuns(
  list: usize,
  target: usize,
  scores: usize,
  from: i32,
  middle: i32,
  to: i32,
): void {
  let left = from;
  let right = middle;
  for (let i = from; i < to; i++) {
    const takesLeft =
      right >= to ||
      (left < middle && !(scoreAt(scores, list, right) > scoreAt(scores, list, left)));
    const index = takesLeft ? left++ : right++;
    store<i32>(word(target, i), load<i32>(word(list, index)));
  }
}

/**
 * Sorts indices by falling score; equal ones keep their order.
 * @param list int32 indices into `scores`
 * @param scores binary32
 * @param scratch as long as the list
 */
export function sortDescending(list: usize, count: i32, scores: usize, scratch: usize): void {
  let source = list;
  let target = scratch;
  for (let run = 1; run < count; run *= 2) {
    for (let from = 0; from < count; from += 2 * run) {
      const middle = min(from + run, count);
      mergeRuns(source, target, scores, from, middle, min(from + 2 * run, count));
    }
    const swap = source;
    source = target;
    target = swap;
  }
  if (source != list) memory.copy(list, source, (<usize>count) << 2);
}
