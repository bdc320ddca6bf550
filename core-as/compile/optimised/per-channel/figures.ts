// People and an animal that nobody took a picture of: what networks were made to see fills the ranges that converters chose for it.
// Everything is made of capsules with two radii: a limb, a head, an eye.
// SPDX-License-Identifier: MIT

export type Point = readonly [x: number, y: number];
export type Colour = readonly [red: number, green: number, blue: number];

/** A capsule; lengths are shares of the picture's sides. */
export interface Capsule {
  from: Point;
  to: Point;
  /** Radii at its ends. */
  radii: readonly [from: number, to: number];
  colour: Colour;
}

const JOINTS = [
  ...["head", "leftShoulder", "rightShoulder", "leftElbow", "rightElbow", "leftHand", "rightHand"],
  ...["leftHip", "rightHip", "leftKnee", "rightKnee", "leftAnkle", "rightAnkle"],
  ...["leftToe", "rightToe"],
] as const;
type Joint = (typeof JOINTS)[number];

/** How somebody stands. */
interface Pose {
  joints: Readonly<Record<Joint, Point>>;
  /** Half of the head's width. */
  head: number;
  /** Where the face looks: 0 = at the camera, 1 = to the right. */
  turn: number;
}

interface Looks {
  skin: Colour;
  shirt: Colour;
  trousers: Colour;
  hair: Colour;
  shoes: Colour;
}

const pose = (head: number, turn: number, places: readonly number[]): Pose => {
  const joints = JOINTS.map((joint, i) => [joint, [places[2 * i]!, places[2 * i + 1]!]] as const);
  return { joints: Object.fromEntries(joints) as Pose["joints"], head, turn };
};

const STANDING = pose(0.052, 0, [
  ...[0.5, 0.2, 0.575, 0.32, 0.425, 0.32, 0.63, 0.44, 0.37, 0.44, 0.66, 0.56, 0.34, 0.56],
  ...[0.55, 0.56, 0.45, 0.56, 0.56, 0.72, 0.44, 0.72, 0.565, 0.88, 0.435, 0.88],
  ...[0.59, 0.91, 0.41, 0.91],
]);
const SQUATTING = pose(0.055, 0.8, [
  ...[0.58, 0.3, 0.5, 0.42, 0.52, 0.41, 0.62, 0.5, 0.64, 0.48, 0.7, 0.42, 0.71, 0.41],
  ...[0.36, 0.62, 0.4, 0.62, 0.55, 0.66, 0.62, 0.63, 0.48, 0.86, 0.58, 0.84],
  ...[0.56, 0.89, 0.65, 0.86],
]);
const CHEERING = pose(0.06, 0.3, [
  ...[0.42, 0.22, 0.5, 0.35, 0.33, 0.35, 0.62, 0.3, 0.22, 0.29, 0.66, 0.16, 0.16, 0.15],
  ...[0.48, 0.6, 0.37, 0.6, 0.55, 0.76, 0.33, 0.77, 0.6, 0.93, 0.3, 0.94],
  ...[0.65, 0.95, 0.25, 0.96],
]);

const shade = (colour: Colour, by: number): Colour =>
  colour.map((value) => value * by) as unknown as Colour;
const between = ([ax, ay]: Point, [bx, by]: Point, share: number): Point => [
  ax + (bx - ax) * share,
  ay + (by - ay) * share,
];

/** Somebody, from the back to the front. */
function person({ joints, head, turn }: Pose, looks: Looks): Capsule[] {
  const { skin, shirt, trousers, hair, shoes } = looks;
  const found: Capsule[] = [];
  const add = (from: Point, to: Point, wide: number, narrow: number, colour: Colour): void => {
    found.push({ from, to, radii: [wide * head, narrow * head], colour });
  };
  const limbs = (side: "left" | "right", light: number): void => {
    const at = (joint: string): Point => joints[`${side}${joint}` as Joint];
    const own = shade(skin, light);
    add(at("Hip"), at("Knee"), 0.52, 0.4, own);
    add(at("Knee"), at("Ankle"), 0.4, 0.22, own);
    add(at("Ankle"), at("Toe"), 0.24, 0.2, shoes);
    add(at("Hip"), between(at("Hip"), at("Knee"), 0.45), 0.6, 0.56, trousers);
    add(at("Shoulder"), at("Elbow"), 0.36, 0.3, own);
    add(at("Elbow"), at("Hand"), 0.3, 0.2, own);
    add(at("Hand"), at("Hand"), 0.28, 0.28, own);
  };
  limbs("right", 0.9);
  const shoulders = between(joints.leftShoulder, joints.rightShoulder, 0.5);
  const hips = between(joints.leftHip, joints.rightHip, 0.5);
  add(joints.rightShoulder, joints.rightHip, 0.5, 0.45, shirt);
  add(joints.leftShoulder, joints.leftHip, 0.5, 0.45, shirt);
  add(shoulders, hips, 0.7, 0.6, shirt);
  add(shoulders, joints.head, 0.36, 0.36, skin);
  limbs("left", 1);
  const [x, y] = joints.head;
  const face = (dx: number, dy: number): Point => [x + (dx + 0.35 * turn) * head, y + dy * head];
  add([x, y - 0.4 * head], [x, y - 0.35 * head], 0.95, 0.95, hair);
  for (const side of [-0.8, 0.8])
    add([x + side * head, y], [x + side * head, y + 0.3 * head], 0.14, 0.12, shade(skin, 0.8));
  add(face(0, -0.1), face(0, 0.5), 0.78, 0.66, skin);
  for (const side of [-0.32, 0.32]) {
    add(face(side - 0.08, 0.1), face(side + 0.08, 0.1), 0.09, 0.09, [235, 235, 235]);
    add(face(side, 0.1), face(side, 0.1), 0.08, 0.08, [40, 25, 20]);
    add(face(side - 0.2, -0.13), face(side + 0.2, -0.15), 0.05, 0.05, hair);
  }
  add(face(0.05 * turn, 0.15), face(0.1 * turn, 0.45), 0.05, 0.1, shade(skin, 0.75));
  add(face(-0.22, 0.72), face(0.22, 0.72), 0.07, 0.07, [160, 70, 70]);
  return found;
}

/** A cat, sitting. */
function cat(fur: Colour, stripes: Colour): Capsule[] {
  const found: Capsule[] = [];
  const add = (from: Point, to: Point, first: number, last: number, colour: Colour): void => {
    found.push({ from, to, radii: [first, last], colour });
  };
  const both = (draw: (side: number) => void): void => [-1, 1].forEach(draw);
  add([0.68, 0.9], [0.86, 0.72], 0.04, 0.03, shade(fur, 0.8));
  add([0.5, 0.52], [0.5, 0.8], 0.13, 0.22, shade(fur, 0.9));
  for (let stripe = 0; stripe < 5; stripe++)
    both((side) => {
      const y = 0.52 + 0.08 * stripe;
      const reach = 0.13 + 0.02 * stripe;
      add([0.5 + side * reach, y], [0.5 + side * 0.06, y + 0.03], 0.012, 0.006, stripes);
    });
  both((side) => add([0.5 + side * 0.08, 0.62], [0.5 + side * 0.08, 0.92], 0.055, 0.05, fur));
  both((side) => {
    add([0.5 + side * 0.1, 0.24], [0.5 + side * 0.16, 0.1], 0.06, 0.008, fur);
    add([0.5 + side * 0.105, 0.22], [0.5 + side * 0.15, 0.125], 0.035, 0.004, [200, 140, 130]);
  });
  add([0.46, 0.33], [0.54, 0.33], 0.15, 0.15, fur);
  for (const x of [-0.05, 0, 0.05])
    add([0.5 + x, 0.2], [0.5 + 0.7 * x, 0.26], 0.01, 0.006, stripes);
  both((side) => {
    add([0.5 + side * 0.19, 0.36], [0.5 + side * 0.12, 0.38], 0.01, 0.006, stripes);
    add([0.5 + side * 0.075, 0.32], [0.5 + side * 0.085, 0.315], 0.034, 0.034, [190, 190, 80]);
    add([0.5 + side * 0.08, 0.3], [0.5 + side * 0.08, 0.335], 0.01, 0.01, [10, 10, 10]);
    add([0.5 + side * 0.03, 0.42], [0.5 + side * 0.035, 0.425], 0.045, 0.045, shade(fur, 1.25));
    add([0.5 + side * 0.06, 0.42], [0.5 + side * 0.24, 0.41], 0.003, 0.002, [240, 240, 240]);
  });
  add([0.485, 0.385], [0.515, 0.385], 0.016, 0.016, [190, 110, 100]);
  return found;
}

/** What is in front of what. */
export interface Scene {
  figure: readonly Capsule[];
  /** Colour of a wall, with a floor; null = shapes. */
  wall: Colour | null;
  /** Times that the figure is larger, and the point of it that is in the middle then. */
  zoom: number;
  middle: Point;
}

/** All of the figure is seen. */
const WHOLE: Pick<Scene, "zoom" | "middle"> = { zoom: 1, middle: [0.5, 0.5] };

/** Scenes, those first that show most. */
export const SCENES: readonly Scene[] = [
  {
    figure: person(SQUATTING, {
      skin: [150, 100, 75],
      shirt: [150, 100, 75],
      trousers: [20, 20, 25],
      hair: [15, 12, 12],
      shoes: [15, 15, 15],
    }),
    wall: [232, 233, 238],
    ...WHOLE,
  },
  {
    figure: cat([170, 130, 90], [90, 60, 40]),
    wall: null,
    ...WHOLE,
  },
  {
    figure: person(STANDING, {
      skin: [214, 160, 125],
      shirt: [60, 90, 170],
      trousers: [40, 40, 45],
      hair: [60, 40, 25],
      shoes: [30, 30, 30],
    }),
    wall: null,
    ...WHOLE,
  },
  {
    figure: person(CHEERING, {
      skin: [230, 185, 155],
      shirt: [190, 50, 50],
      trousers: [70, 90, 60],
      hair: [120, 80, 40],
      shoes: [240, 240, 240],
    }),
    wall: [120, 140, 110],
    ...WHOLE,
  },
  {
    figure: person(STANDING, {
      skin: [225, 175, 150],
      shirt: [25, 30, 50],
      trousers: [25, 30, 50],
      hair: [150, 150, 150],
      shoes: [30, 30, 30],
    }),
    wall: null,
    zoom: 2.6,
    middle: [0.5, 0.32],
  },
];
