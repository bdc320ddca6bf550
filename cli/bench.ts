// tilewright bench: how long an inference takes, and how many fit into a second.
// SPDX-License-Identifier: MIT
import { basename } from "node:path";
import type { Command } from "commander";
import {
  createSession,
  type Evidence,
  type Executable,
  type Session,
  type SubmitResult,
} from "../core-as/index.ts";
import { placeText, prepare, type Connection } from "./connect.ts";
import { aboutTheChip, sourceText, ownTime } from "./evidence.ts";
import {
  addCompileFlags,
  addJsonFlag,
  addTransportFlags,
  wholeNumber,
  type CompileFlags,
  type TransportFlags,
} from "./flags.ts";
import { spreadOf, type Spread } from "./percentiles.ts";
import { readInputs } from "./tensors.ts";
import { count, out, print, printJson, Progress } from "./terminal.ts";

interface BenchArguments extends CompileFlags, TransportFlags {
  input?: string[];
  runs: number;
  warmup: number;
  concurrency: number;
  json?: boolean;
}

/** What a benchmark found; times in milliseconds. */
interface BenchResult {
  evidence: Evidence;
  /** From a run's call to its answer. */
  latency: Spread;
  /** The same where the model runs, if the transport tells: without the way to a board and back. */
  own: Spread | null;
  runsPerSecond: number;
}

export function addBench(program: Command): void {
  const command = program
    .command("bench")
    .description("measure latency and throughput of a model wherever --on says")
    .argument("<file>", "TFLite file or .twx executable")
    .option("--input <file...>", "one file for each input, as for run; default: zeros")
    .option("--runs <n>", "runs that count", wholeNumber(1, 1_000_000), 100)
    .option("--warmup <n>", "runs before them", wholeNumber(0, 1_000_000), 10)
    .option("--concurrency <n>", "runs that are under way at a time", wholeNumber(1, 4096), 1);
  addJsonFlag(addCompileFlags(addTransportFlags(command))).action(runBench);
}

async function runBench(path: string, flags: BenchArguments, command: Command): Promise<void> {
  const { executable, connection } = await prepare(path, flags, command);
  let result: BenchResult;
  try {
    result = await measure(executable, connection, flags);
  } finally {
    await connection.close();
  }
  const { runs, warmup, concurrency } = flags;
  if (flags.json)
    return printJson({
      model: path,
      chip: executable.chip.name,
      on: { kind: connection.place.kind, device: connection.device },
      runs,
      warmup,
      concurrency,
      ...result,
    });
  const times = concurrency === 1 ? "one at a time" : `${concurrency} at a time`;
  print(
    `${out.bold(basename(path))} for ${executable.chip.name} on ${placeText(connection.place)}: ` +
      `${count(runs)} runs, ${times}, after ${count(warmup)} to warm up`,
  );
  print(`latency: ${spreadText(result.latency)}`);
  if (result.own !== null) print(`where it runs: ${spreadText(result.own)}`);
  print(`throughput: ${result.runsPerSecond.toFixed(1)} runs/s`);
  const { evidence } = result;
  print(out.dim(`${sourceText(connection, evidence)}${aboutTheChip(evidence)}`));
}

const spreadText = ({ median, p90, p99, min, max }: Spread): string =>
  Object.entries({ median, p90, p99, min, max })
    .map(([name, value]) => `${name} ${value.toPrecision(3)} ms`)
    .join(", ");

async function measure(
  executable: Executable,
  { transport }: Connection,
  flags: BenchArguments,
): Promise<BenchResult> {
  const session = await createSession(executable, transport);
  const inputs =
    flags.input === undefined
      ? session.inputs.map(({ bytes }) => new Uint8Array(bytes))
      : await readInputs(flags.input, session.inputs);
  const progress = new Progress("running");
  try {
    await runMany(session, inputs, flags.warmup, flags.concurrency, () => {});
    const latency: number[] = [];
    const own: number[] = [];
    let evidence: Evidence = "none";
    const start = performance.now();
    await runMany(session, inputs, flags.runs, flags.concurrency, (result, roundTripMs) => {
      latency.push(roundTripMs);
      const milliseconds = ownTime(result);
      if (milliseconds !== null) own.push(milliseconds);
      ({ evidence } = result);
      progress.update(`${latency.length} runs`, latency.length / flags.runs);
    });
    const seconds = (performance.now() - start) / 1000;
    return {
      evidence,
      latency: spreadOf(latency),
      own: own.length === 0 ? null : spreadOf(own),
      runsPerSecond: flags.runs / seconds,
    };
  } finally {
    progress.end();
    await session.close();
  }
}

/** Keeps `concurrency` runs under way until `runs` are through. The first failure ends it. */
async function runMany(
  session: Session,
  inputs: readonly Uint8Array[],
  runs: number,
  concurrency: number,
  done: (result: SubmitResult, milliseconds: number) => void,
): Promise<void> {
  let left = runs;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const start = performance.now();
      const result = await session.run(inputs);
      done(result, performance.now() - start);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(concurrency, runs) }, worker));
  } finally {
    left = 0;
  }
}
