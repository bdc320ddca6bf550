// A transport of one's own: answers inferences whose inputs it has seen before from memory, and passes all others on.
//
//     node examples/05-custom-transport/transport.mjs
//
// A transport is whatever has `name`, `chip`, `disconnected`, `load` and `close`: sessions do not know what is behind it.
// SPDX-License-Identifier: MIT
import { readFile } from "node:fs/promises";
import { compile, createSession, createSimTransport, sha256Hex, targetChip } from "tilewright";
import { readPicture, sample } from "../picture.mjs";

/** Wraps any transport. The wrapped one belongs to the wrapper, which closes it. */
export class MemoTransport {
  name = "memo";
  hits = 0;
  misses = 0;

  /**
   * @param inner what computes
   * @param most answers to keep for each executable; the oldest goes first
   */
  constructor(inner, most = 100) {
    this.inner = inner;
    this.most = most;
    // Both are the inner one's: executables are checked against the chip that will run them, and when the device
    // behind goes away, so does this.
    this.chip = inner.chip;
    this.disconnected = inner.disconnected;
  }

  async load(executable, options) {
    const loaded = await this.inner.load(executable, options);
    const answers = new Map();
    return {
      submit: (inputs, options) => this.#submit(loaded, answers, inputs, options),
      release: () => loaded.release(),
    };
  }

  close() {
    return this.inner.close();
  }

  async #submit(loaded, answers, inputs, options = {}) {
    // A profile asks for times of this run, not for an answer.
    if (options.profile) return loaded.submit(inputs, options);
    options.signal?.throwIfAborted();
    const key = (await Promise.all(inputs.map((input) => sha256Hex(input)))).join();
    let answer = answers.get(key);
    if (answer === undefined) {
      this.misses++;
      // The promise is kept, not its value: the same inputs at the same time are computed once. It has no signal of a
      // single caller, since others may wait for it; `session.run` stops waiting by itself.
      answer = loaded.submit(inputs, {});
      answers.set(key, answer);
      answer.catch(() => answers.delete(key));
      if (answers.size > this.most) answers.delete(answers.keys().next().value);
    } else this.hits++;
    const { outputs, ...result } = await answer;
    // Callers may write into what they get. No step was timed for an answer from memory, but evidence stays what it was.
    return { ...result, outputs: outputs.map((bytes) => bytes.slice()) };
  }
}

const target = "a311d";
const model = new Uint8Array(await readFile(sample("digits.tflite")));
const { executable } = await compile(model, { target });
const transport = new MemoTransport(createSimTransport(targetChip(target)));
const session = await createSession(executable, transport);
for (const name of ["three.png", "seven.png", "three.png"]) {
  const start = performance.now();
  const { outputs, evidence } = await session.run([
    await readPicture(sample(name), session.inputs[0]),
  ]);
  const digit = outputs[0].indexOf(Math.max(...outputs[0]));
  console.log(`${name}: ${digit}, ${evidence}, ${(performance.now() - start).toFixed(1)} ms`);
}
console.log(`${transport.hits} from memory, ${transport.misses} computed`);
await session.close();
await transport.close();
