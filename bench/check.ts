// Time of the pre-submit check of whole models, against reading the same executable (parse and CRC), which every load does
// anyway.
// Usage: npm run bench:check [-- --json] [-- --target imx8mp]
// SPDX-License-Identifier: MIT
import {
  chipByName,
  compile,
  mappedSizes,
  parseExecutable,
  partitionSubmit,
  serialiseExecutable,
  SubmitChecker,
  type Executable,
  type PartitionSubmit,
} from "../core-as/index.ts";
import { corpusBytes, hasCorpus } from "../test/helpers/corpus.ts";
import { benchCases, benchTarget, median, report, type BenchCase } from "./harness.ts";

const RUNS = 15;
const TARGET = benchTarget();
const chip = chipByName(TARGET)!;
const DETECTOR = "ssdlite_mobiledet_coco_qat_postprocess";

function cases(): BenchCase[] {
  const model = (): Uint8Array => corpusBytes("models", `${DETECTOR}.tflite`);
  return hasCorpus ? [...benchCases(), { name: DETECTOR, model: model() }] : benchCases();
}

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function submitsOf({ partitions }: Executable): PartitionSubmit[] {
  return partitions.map((partition) => {
    const mapped = mappedSizes(partition, chip);
    let top = 2 ** 32;
    const addresses = partition.buffers.map(({ role }, index) =>
      role === "stream" ? null : (top -= mapped[index]!),
    );
    return partitionSubmit(partition, addresses, { mapped });
  });
}

const checker = await SubmitChecker.create({ chip });
for (const { name, model } of cases())
  for (const mode of ["compatible", "optimised"] as const) {
    const { executable } = await compile(model, { target: TARGET, mode, allowQuirks: true });
    const bytes = serialiseExecutable(executable);
    const submits = submitsOf(executable);
    const checks: number[] = [];
    const reads: number[] = [];
    let jobs = 0;
    for (let run = 0; run < RUNS; run++) {
      jobs = 0;
      checks.push(
        timed(() => {
          for (const { stream, buffers } of submits) {
            checker.check(stream, buffers);
            jobs += checker.jobCount;
          }
        }),
      );
      reads.push(timed(() => void parseExecutable(bytes)));
    }
    const checkMs = median(checks);
    const readMs = median(reads);
    report({
      bench: "check",
      case: name,
      target: TARGET,
      mode,
      checkMs,
      readMs,
      ratio: checkMs / readMs,
      jobs,
      runs: RUNS,
      witness: "parseExecutable of the same executable, same process",
    });
  }
