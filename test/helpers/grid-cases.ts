// Random case names for the synthetic model generator: every kind, awkward sizes, extreme zero points.
// SPDX-License-Identifier: MIT
import { rng } from "./prng.mjs";
import { synthModel } from "./synth-model.mjs";

const CHANNELS = [1, 2, 3, 4, 7, 8, 9, 16, 17, 24, 33, 40, 64, 96];
const OUTPUTS = [1, 2, 3, 7, 8, 9, 12, 16, 17, 24, 33, 64, 65, 120, 257];
const CHAINS = ["mbv1", "mbv2", "stem", "csp", "fork", "split", "pool", "deep", "fan", "tap"];

/** `count` names that the generator can build, different for each seed. */
export function gridCases(seed: string, count: number): string[] {
  const random = rng(`grid/${seed}`);
  const pick = <T>(choices: readonly T[]): T => choices[random.next() % choices.length]!;
  const side = (): number => 1 + (random.next() % 34);
  const names = new Set<string>();
  while (names.size < count) {
    const name = randomCase(pick, side);
    // TFLite ignores the zero point of int8 weights, so a model that has one means something else there.
    if (name.includes("-i8") && /-wz\d/.test(name)) continue;
    try {
      synthModel(name);
    } catch {
      continue; // e.g. a kernel larger than an image without padding
    }
    names.add(name);
  }
  return [...names];
}

function randomCase(pick: <T>(choices: readonly T[]) => T, side: () => number): string {
  const kind = pick([
    "conv",
    "conv",
    "conv",
    "dw",
    "dw",
    "pw",
    "fc",
    "add",
    "concat",
    "split",
    "pad",
    "chain",
  ]);
  const type = pick(["u8", "i8"]);
  const activation = pick(["", "", "-relu", "-relu6"]);
  const sparse = pick(["", "", "-sparse50", "-sparse90", "-sparse97", "-sparse100"]);
  const zero = pick(["", "", "-wz0", "-wz255", "-wz1", "-xz0", "-xz255", "-yz0"]);
  const [h, w, c, o] = [side(), side(), pick(CHANNELS), pick(OUTPUTS)];
  const ending = pick(["-out", ""]);
  const relu = pick(["", "-relu"]);
  const kernel = 1 + (side() % 7);
  const otherKernel = pick([kernel, kernel, kernel, 1 + (side() % 7)]);
  switch (kind) {
    case "fc":
      return `fc-i${pick([1, 2, 5, 17, 64, 121, 127, 225, 256, 1000])}-o${o}-${type}${activation}${sparse}`;
    case "pw":
      return `pw-i${h}x${w}x${c}-o${o}-s${pick([1, 1, 2])}-same-${type}${activation}${sparse}${zero}`;
    case "conv":
    case "dw": {
      const outputs = kind === "conv" ? `-o${o}` : "";
      const tail = `s${pick([1, 2])}-${pick(["same", "same", "valid"])}-${type}`;
      return `${kind}-i${h}x${w}x${c}-k${kernel}x${otherKernel}${outputs}-${tail}${activation}${sparse}${zero}`;
    }
    case "add": {
      const ratio = pick([15, 35, 60, 100, 110, 170, 300]);
      return `add-i${h}x${w}x${c}-o${o}${ending}-${type}-k${pick([1, 3])}-r${ratio}${relu}`;
    }
    case "concat":
      return `concat-i${h}x${w}x${c}-o${o}-n${pick([2, 3, 4])}${ending}-${type}-k3${relu}`;
    case "split":
      return `split-i${h}x${w}x${c * 2}-o${o}-k3${ending}-${type}`;
    case "pad":
      return `pad-i${h + 2}x${w + 2}x${c}-k${pick([1, 3, 5])}-o${o}-s${pick([1, 2])}${ending}-${type}`;
    default: {
      const outputs = pick([7, 8, 16, 24, 33]);
      return `chain-${pick(CHAINS)}-i${h + 12}x${w + 12}x${c * 2}-o${outputs}-k${pick([1, 3, 5])}-${type}${activation}`;
    }
  }
}
