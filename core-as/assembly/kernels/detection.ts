// TFLite_Detection_PostProcess: decodes boxes against anchors, suppresses overlapping ones, writes the best.
// SPDX-License-Identifier: MIT
import { Fault, Status } from "../abi";
import { DetectionParam } from "../abi-kernels";
import { arenaAlloc, arenaMark, arenaReset } from "../arena";
import { clearFault, fail, noteFault } from "../fault";
import { decodeBoxes, overlapOf } from "./boxes";
import { param, paramFloat, paramPtr } from "./requantise";
import { sortDescending } from "./sort";

let boxCount: i32 = 0;
let columns: i32 = 0;
let classes: i32 = 0;
let scores: usize = 0;
let scoreTable: usize = 0;

// Scratch. All lists hold 32-bit words.
/** Four binary32 per box: ymin, xmin, ymax, xmax. */
let decoded: usize = 0;
/** Score of each box for the class at hand. */
let boxScores: usize = 0;
/** Boxes above the threshold, best first. */
let candidates: usize = 0;
/** One byte per candidate: not yet suppressed. */
let isActive: usize = 0;
/** Boxes that survive. */
let selected: usize = 0;
let sortScratch: usize = 0;
/** Regular suppression: box * classes + class of the results so far and of the class at hand, and their scores. */
let found: usize = 0;
let foundScores: usize = 0;
let order: usize = 0;

function at(list: usize, index: i32): usize {
  return list + ((<usize>index) << 2);
}

/** Score of a box for a class, background not counted. */
function scoreOf(box: i32, klass: i32): f32 {
  const index = <usize>box * <usize>columns + <usize>(klass + columns - classes);
  if (scoreTable == 0) return load<f32>(scores + (index << 2));
  return load<f32>(scoreTable + ((<usize>load<u8>(scores + index)) << 2));
}

/** The class with the largest score, the first of equals. */
function bestClassOf(box: i32): i32 {
  let best = 0;
  let largest = scoreOf(box, 0);
  for (let klass = 1; klass < classes; klass++) {
    const score = scoreOf(box, klass);
    if (score > largest) {
      largest = score;
      best = klass;
    }
  }
  return best;
}

/** The class that comes after `previous` when classes are ordered by falling score, then by number. */
function nextClassOf(box: i32, previous: i32): i32 {
  const limit = scoreOf(box, previous);
  let best = -1;
  for (let klass = 0; klass < classes; klass++) {
    const score = scoreOf(box, klass);
    const isBehind = score < limit || (score == limit && klass > previous);
    if (isBehind && (best < 0 || score > scoreOf(box, best))) best = klass;
  }
  // only among scores that cannot be compared
  return best < 0 ? previous : best;
}

/** Fills `selected` from `boxScores`: the best box, then the best that does not overlap it too much, and so on. */
function suppress(block: usize, most: i32): i32 {
  const threshold = paramFloat(block, DetectionParam.SCORE_THRESHOLD);
  const overlap = paramFloat(block, DetectionParam.IOU_THRESHOLD);
  let kept = 0;
  for (let box = 0; box < boxCount; box++)
    if (load<f32>(at(boxScores, box)) >= threshold) store<i32>(at(candidates, kept++), box);
  sortDescending(candidates, kept, boxScores, sortScratch);

  memory.fill(isActive, 1, kept);
  let count = 0;
  for (let i = 0; i < kept && count < most; i++) {
    if (load<u8>(isActive + i) == 0) continue;
    const box = load<i32>(at(candidates, i));
    store<i32>(at(selected, count++), box);
    for (let j = i + 1; j < kept; j++) {
      if (load<u8>(isActive + j) == 0) continue;
      const other = load<i32>(at(candidates, j));
      if (overlapOf(decoded, box, other) > overlap) store<u8>(isActive + j, 0);
    }
  }
  return count;
}

function writeResult(block: usize, index: i32, box: i32, klass: i32, score: f32): void {
  const boxes = paramPtr(block, DetectionParam.OUTPUT_BOXES);
  memory.copy(boxes + ((<usize>index) << 4), decoded + ((<usize>box) << 4), 16);
  store<f32>(at(paramPtr(block, DetectionParam.OUTPUT_CLASSES), index), <f32>klass);
  store<f32>(at(paramPtr(block, DetectionParam.OUTPUT_SCORES), index), score);
}

/** Suppression by the best class of each box; returns the number of boxes found. */
function runFast(block: usize): i32 {
  for (let box = 0; box < boxCount; box++)
    store<f32>(at(boxScores, box), scoreOf(box, bestClassOf(box)));
  const count = suppress(block, param(block, DetectionParam.MAX_DETECTIONS));
  const perDetection = param(block, DetectionParam.CLASSES_PER_DETECTION);
  for (let i = 0; i < count; i++) {
    const box = load<i32>(at(selected, i));
    let klass = bestClassOf(box);
    for (let k = 0; k < min(perDetection, classes); k++) {
      if (k > 0) klass = nextClassOf(box, klass);
      writeResult(block, i * perDetection + k, box, klass, scoreOf(box, klass));
    }
  }
  return count;
}

/** Adds the boxes of one class to the results so far and keeps the best `most` of them; returns how many there are. */
function mergeClass(klass: i32, added: i32, count: i32, most: i32): i32 {
  for (let i = 0; i < added; i++) {
    const box = load<i32>(at(selected, i));
    store<i32>(at(found, count + i), box * classes + klass);
    store<f32>(at(foundScores, count + i), load<f32>(at(boxScores, box)));
  }
  const all = count + added;
  for (let i = 0; i < all; i++) store<i32>(at(order, i), i);
  sortDescending(order, all, foundScores, sortScratch);
  count = min(all, most);
  // The order holds positions; what stands there moves through the scratch memory.
  for (let i = 0; i < count; i++)
    store<i32>(at(sortScratch, i), load<i32>(at(found, load<i32>(at(order, i)))));
  memory.copy(found, sortScratch, (<usize>count) << 2);
  for (let i = 0; i < count; i++)
    store<f32>(at(sortScratch, i), load<f32>(at(foundScores, load<i32>(at(order, i)))));
  memory.copy(foundScores, sortScratch, (<usize>count) << 2);
  return count;
}

/** Suppression class by class; returns the number of results. */
function runRegular(block: usize): i32 {
  const most = param(block, DetectionParam.MAX_DETECTIONS);
  const perClass = param(block, DetectionParam.DETECTIONS_PER_CLASS);
  let count = 0;
  for (let klass = 0; klass < classes; klass++) {
    for (let box = 0; box < boxCount; box++) store<f32>(at(boxScores, box), scoreOf(box, klass));
    count = mergeClass(klass, suppress(block, perClass), count, most);
  }
  for (let i = 0; i < count; i++) {
    const entry = load<i32>(at(found, i));
    const score = load<f32>(at(foundScores, i));
    writeResult(block, i, entry / classes, entry % classes, score);
  }
  return count;
}

/** Allocates all lists; false when the memory does not suffice. */
function allocateScratch(most: i32): bool {
  const boxWords = (<usize>boxCount) << 2;
  const allWords = ((<usize>boxCount + <usize>most) << 2) + 16;
  decoded = arenaAlloc(boxWords << 2);
  boxScores = arenaAlloc(boxWords);
  candidates = arenaAlloc(boxWords);
  isActive = arenaAlloc(<usize>boxCount);
  selected = arenaAlloc(boxWords);
  sortScratch = arenaAlloc(allWords);
  found = arenaAlloc(allWords);
  foundScores = arenaAlloc(allWords);
  order = arenaAlloc(allWords);
  return (
    decoded != 0 &&
    boxScores != 0 &&
    candidates != 0 &&
    isActive != 0 &&
    selected != 0 &&
    sortScratch != 0 &&
    found != 0 &&
    foundScores != 0 &&
    order != 0
  );
}

function detect(block: usize): Status {
  const most = param(block, DetectionParam.MAX_DETECTIONS);
  if (!allocateScratch(most)) return fail(Status.NO_MEMORY);
  const wrong = decodeBoxes(block, decoded);
  if (wrong >= 0) {
    noteFault(Fault.VALUE, wrong);
    return fail(Status.BAD_DATA);
  }
  const results = <usize>most * <usize>param(block, DetectionParam.CLASSES_PER_DETECTION);
  memory.fill(paramPtr(block, DetectionParam.OUTPUT_BOXES), 0, results << 4);
  memory.fill(paramPtr(block, DetectionParam.OUTPUT_CLASSES), 0, results << 2);
  memory.fill(paramPtr(block, DetectionParam.OUTPUT_SCORES), 0, results << 2);
  const isRegular = param(block, DetectionParam.REGULAR) != 0;
  const count = isRegular ? runRegular(block) : runFast(block);
  store<f32>(paramPtr(block, DetectionParam.OUTPUT_COUNT), <f32>count);
  return Status.OK;
}

/**
 * TFLite_Detection_PostProcess with the arithmetic of TFLite 2.14; boxes of equal score stay in their order, results that
 * are not there are 0.
 * @param block DetectionParam words
 * @returns OK, NO_MEMORY, or BAD_DATA when a box ends before it begins (value = its index)
 */
export function runDetection(block: usize): Status {
  clearFault();
  boxCount = param(block, DetectionParam.BOX_COUNT);
  columns = param(block, DetectionParam.COLUMNS);
  classes = param(block, DetectionParam.CLASSES);
  scores = paramPtr(block, DetectionParam.SCORES);
  scoreTable = paramPtr(block, DetectionParam.SCORE_TABLE);
  const mark = arenaMark();
  const status = detect(block);
  arenaReset(mark);
  return status;
}
