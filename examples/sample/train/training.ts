// The course of training: float epochs, calibration, then epochs with fake quantisation.
// SPDX-License-Identifier: MIT
import { Random } from "./arithmetic.ts";
import { digit, PIXELS, writeVaried, type Digits } from "./data.ts";
import { BATCH, Network } from "./net.ts";

/** Start of the only generator: first weights, order of the digits and their variations follow from it. */
const SEED = 20;

/** A run of epochs; the learning rate falls linearly from `from` towards `to`. */
interface Phase {
  name: string;
  epochs: number;
  from: number;
  to: number;
}

const FLOAT: Phase = {
  name: "float",
  epochs: 20,
  from: 3e-3,
  to: 1e-4,
};
const QUANTISED: Phase = {
  name: "fake quantised",
  epochs: 4,
  from: 3e-4,
  to: 1e-5,
};
/** Every this-many-th digit, unvaried, calibrates the ranges. */
const CALIBRATION_STEP = 9;

/**
 * A network trained on the digits, ready to be quantised: ranges set, weights adapted to them.
 * @param log takes one line an epoch
 */
export function trainNetwork(digits: Digits, log: (line: string) => void): Network {
  const random = new Random(SEED);
  const network = new Network(random);
  runPhase(network, digits, FLOAT, false, random, log);

  network.fold();
  network.prepare(true);
  network.calibrate(calibrationPictures(digits));
  runPhase(network, digits, QUANTISED, true, random, log);
  network.prepare(true);
  return network;
}

function runPhase(
  network: Network,
  digits: Digits,
  phase: Phase,
  quantised: boolean,
  random: Random,
  log: (line: string) => void,
): void {
  const order = Int32Array.from({ length: digits.count }, (_, index) => index);
  const steps = Math.floor(digits.count / BATCH);
  const labels = new Uint8Array(BATCH);
  for (let epoch = 0; epoch < phase.epochs; epoch++) {
    random.shuffle(order);
    let loss = 0;
    let right = 0;
    for (let step = 0; step < steps; step++) {
      for (let i = 0; i < BATCH; i++) {
        const index = order[step * BATCH + i]!;
        labels[i] = digits.labels[index]!;
        writeVaried(digit(digits, index), network.input.value, i * PIXELS, random);
      }
      network.prepare(quantised);
      network.forward(BATCH);
      const result = network.backward(labels, BATCH);
      loss += result.loss;
      right += result.right;
      const done = (epoch * steps + step) / (phase.epochs * steps);
      network.step(phase.from + (phase.to - phase.from) * done);
    }
    const share = ((100 * right) / (steps * BATCH)).toFixed(2);
    log(
      `${phase.name} epoch ${epoch + 1}/${phase.epochs}: loss ${(loss / steps).toFixed(4)}, ` +
        `${share} % of the varied training digits right`,
    );
  }
}

function calibrationPictures(digits: Digits): Float64Array {
  const count = Math.floor(digits.count / CALIBRATION_STEP);
  const pictures = new Float64Array(count * PIXELS);
  for (let i = 0; i < count; i++) {
    const picture = digit(digits, i * CALIBRATION_STEP);
    for (let p = 0; p < PIXELS; p++) pictures[i * PIXELS + p] = picture[p]! / 255;
  }
  return pictures;
}
