// tilewright inspect: what an executable holds, decoded from its bytes.
// SPDX-License-Identifier: MIT
import { InvalidArgumentError, type Command } from "commander";
import {
  buildReport,
  chipByIdentity,
  parseExecutable,
  UsageError,
  type Executable,
  type JobReport,
} from "../core-as/index.ts";
import { formatDisassembly } from "../core-as/inspect/disasm.ts";
import {
  describeJobDescriptors,
  disassemblePartition,
  type DescriptorView,
} from "../core-as/inspect/symbols.ts";
import { readBytes } from "./files.ts";
import { addJsonFlag } from "./flags.ts";
import { jobTable, summaryText } from "./report.ts";
import { count, out, print, printJson, size, table } from "./terminal.ts";

/** A job by partition and number; without a partition: partition 0. */
interface JobName {
  partition: number;
  job: number;
}

interface InspectArguments {
  job?: JobName;
  stream?: boolean;
  all?: boolean;
  json?: boolean;
}

export function addInspect(program: Command): void {
  addJsonFlag(
    program
      .command("inspect")
      .description("show what an executable holds: jobs, descriptor fields, command stream")
      .argument("<file>", '.twx executable; "-" = standard input')
      .option("--job <n>", "all fields of one job, as 3 or partition.job as 0.3", parseJobName)
      .option("--all", "with --job: also fields that have the value of a fresh descriptor")
      .option("--stream", "disassemble the command stream"),
  ).action(runInspect);
}

function parseJobName(text: string): JobName {
  const match = /^(?:(\d+)\.)?(\d+)$/.exec(text);
  if (!match) throw new InvalidArgumentError("a job is a number, or partition.job as 0.3");
  return { partition: Number(match[1] ?? 0), job: Number(match[2]) };
}

async function runInspect(path: string, flags: InspectArguments): Promise<void> {
  if (flags.all === true && flags.job === undefined)
    throw new UsageError("--all shows all fields of a job and needs --job", "all");
  const executable = parseExecutable(readBytes(path));
  const version = chipByIdentity(executable.chip)?.nnCoreVersion ?? 7;
  const report = buildReport(executable);
  const job = flags.job && findJob(executable, report.jobs, flags.job);
  const descriptors = job
    ? describeJobDescriptors(executable.partitions[job.partition]!, job.job, version)
    : [];
  const streams = flags.stream ? executable.partitions.map(disassemblePartition) : [];
  if (flags.json)
    return printJson({
      report,
      ...(job ? { job: { ...job, fields: descriptors } } : {}),
      ...(flags.stream ? { streams } : {}),
    });
  if (job) printJob(job, descriptors, flags.all === true);
  for (const [index, lines] of streams.entries()) {
    print(out.bold(`partition ${index}, command stream`));
    print(formatDisassembly(lines));
  }
  if (job || flags.stream) return;
  print(summaryText(report));
  print();
  print(jobTable(report.jobs));
  printPartitions(executable);
}

function findJob(
  executable: Executable,
  jobs: readonly JobReport[],
  { partition, job }: JobName,
): JobReport {
  const found = jobs.find((entry) => entry.partition === partition && entry.job === job);
  if (found) return found;
  const counts = executable.partitions.map(({ jobs: list }, i) =>
    list.length === 0 ? `partition ${i} has none` : `${i}.0 to ${i}.${list.length - 1}`,
  );
  throw new UsageError(
    `there is no job ${partition}.${job}; jobs are ${counts.join(", ") || "not in this executable"}`,
    "job",
  );
}

function printJob(job: JobReport, descriptors: readonly DescriptorView[], all: boolean): void {
  const { partition, kind, op, sourceOp, sourceName, sourceTensor } = job;
  print(
    out.bold(`job ${partition}.${job.job}: ${kind} ${op}`) +
      ` for operator #${sourceOp} ${sourceName} "${sourceTensor}"`,
  );
  for (const [core, { fields, undeclared }] of descriptors.entries()) {
    if (descriptors.length > 1) print(out.bold(`core ${core}`));
    const shown = fields.filter(({ isReset }) => all || !isReset);
    print(
      table(
        ["field", "value", "meaning", "evidence"],
        shown.map(({ name, text, doc, evidence }) => [name, text, doc, evidence]),
        ["left", "right"],
      ),
    );
    for (const { word, bits } of undeclared)
      print(out.yellow(`undeclared bits 0x${bits.toString(16)} are set in word ${word}`));
    if (!all && shown.length < fields.length)
      print(out.dim(`${fields.length - shown.length} fields as in a fresh descriptor (--all)`));
  }
  printCoefficients(job);
}

function printCoefficients({ nn }: JobReport): void {
  const coefficients = nn?.coefficients;
  if (!coefficients) return;
  const { bytes, coreBytes, weights, bitsPerWeight, zrlBits, kernelsPerCore, superblocks } =
    coefficients;
  print(out.bold("coefficients"));
  print(
    [
      `${size(bytes)} for ${count(weights)} weights: ${bitsPerWeight.toFixed(2)} bits a weight`,
      `zero runs of ${zrlBits} bits`,
      `${kernelsPerCore} kernels a core in ${superblocks} superblocks`,
    ].join(", "),
  );
  print(`bytes by core: ${coreBytes.join(", ")}`);
}

function printPartitions({ partitions }: Executable): void {
  for (const [index, { buffers, inputs, outputs, stream, relocations }] of partitions.entries()) {
    const named = ["tensor", "coefficients", "descriptor", "stream"];
    if (buffers.some(({ role }) => role === "table")) named.push("table");
    const roles = named.map((role) => {
      const list = buffers.filter((buffer) => buffer.role === role);
      const bytes = list.reduce((sum, buffer) => sum + buffer.bytes, 0);
      return `${list.length} ${role} (${size(bytes)})`;
    });
    print();
    print(out.bold(`partition ${index}`));
    print(`buffers: ${roles.join(", ")}`);
    print(`stream: ${buffers[stream]!.bytes / 4} words, ${relocations.length} relocations`);
    const ports = (list: typeof inputs): string =>
      list
        .map(({ tensor, buffer, offset, bytes }) => `#${tensor} in ${buffer}+${offset} (${bytes})`)
        .join(", ");
    print(`inputs: ${ports(inputs)}`);
    print(`outputs: ${ports(outputs)}`);
  }
}
