// Key points of a person as MoveNet gives them, with their names and the limbs between them.
// SPDX-License-Identifier: MIT

/** Order of the 17 key points in MoveNet's output (that of the COCO data set); left and right are the person's own. */
export const KEYPOINT_NAMES = [
  "nose",
  "left eye",
  "right eye",
  "left ear",
  "right ear",
  "left shoulder",
  "right shoulder",
  "left elbow",
  "right elbow",
  "left wrist",
  "right wrist",
  "left hip",
  "right hip",
  "left knee",
  "right knee",
  "left ankle",
  "right ankle",
] as const;

/** Lines of a stick figure: pairs of indices in KEYPOINT_NAMES. */
export const SKELETON: readonly (readonly [from: number, to: number])[] = [
  [0, 1],
  [0, 2],
  [1, 3],
  [2, 4],
  [0, 5],
  [0, 6],
  [5, 7],
  [7, 9],
  [6, 8],
  [8, 10],
  [5, 6],
  [5, 11],
  [6, 12],
  [11, 12],
  [11, 13],
  [13, 15],
  [12, 14],
  [14, 16],
];

/** A key point in shares of the model's input picture: 0 = top or left, 1 = bottom or right. */
export interface Keypoint {
  name: (typeof KEYPOINT_NAMES)[number];
  y: number;
  x: number;
  /** Confidence, 0..1. */
  score: number;
}

/**
 * Names the numbers of an output [1, 1, 17, 3].
 * @param values 51 real numbers: row, column and score of each key point
 * @throws RangeError for another count
 */
export function decodeKeypoints(values: ArrayLike<number>): Keypoint[] {
  if (values.length !== 3 * KEYPOINT_NAMES.length)
    throw new RangeError(`a pose has ${3 * KEYPOINT_NAMES.length} numbers, not ${values.length}`);
  return KEYPOINT_NAMES.map((name, i) => ({
    name,
    y: values[3 * i]!,
    x: values[3 * i + 1]!,
    score: values[3 * i + 2]!,
  }));
}
