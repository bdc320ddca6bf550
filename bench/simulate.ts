// Time of a simulated inference against LiteRT's WASM runtime on the same model in the same process, one thread each.
// The simulator computes what the NPU would, from its bytes; the ratio is the price of that.
// Usage: npm run bench:simulate [-- --json] [-- --target imx8mp]
// SPDX-License-Identifier: MIT
import { chipByName, compile, createSession, createSimTransport } from "../core-as/index.ts";
import { loadLiteRt } from "../test/helpers/litert.ts";
import { inputBytes } from "../test/helpers/prng.mjs";
import { benchCases, benchTarget, median, report } from "./harness.ts";

const RUNS = 7;
const TARGET = benchTarget();
const witness = await loadLiteRt();
if ("reason" in witness) console.error(`skipped: LiteRT as witness (${witness.reason})`);

for (const { name, model } of benchCases())
  for (const mode of ["compatible", "optimised"] as const) {
    const { executable } = await compile(model, { target: TARGET, mode });
    const transport = await createSimTransport(chipByName(TARGET)!);
    const session = await createSession(executable, transport);
    const inputs = session.inputs.map(({ bytes, shape }, i) => ({
      bytes: inputBytes(name, i, bytes) as Uint8Array,
      shape: [...shape],
    }));
    const simulate = async (): Promise<number> => {
      const start = performance.now();
      await session.run(inputs.map(({ bytes }) => bytes));
      return performance.now() - start;
    };
    const ready = "reason" in witness ? null : await witness.prepare(model);
    const firstMs = await simulate();
    await ready?.time(inputs);
    // In turns, so that whatever else the machine does meets both alike.
    const simulated: number[] = [];
    const reference: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      simulated.push(await simulate());
      if (ready) reference.push(await ready.time(inputs));
    }
    ready?.release();
    await transport.close();
    const simulateMs = median(simulated);
    const witnessMs = ready && median(reference);
    report({
      bench: "simulate",
      case: name,
      target: TARGET,
      mode,
      firstMs,
      simulateMs,
      witnessMs,
      ratio: witnessMs && simulateMs / witnessMs,
      runs: RUNS,
      witness: "LiteRT WASM, one thread, same process",
    });
  }
