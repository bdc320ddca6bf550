// Runs an executable step by step: CPU steps on the kernels, NPU steps through whatever can submit a partition.
// SPDX-License-Identifier: MIT
import { Core, type CoreOptions } from "../core.ts";
import { SimFault, TransportError } from "../errors.ts";
import type { Executable, ExecutablePartition, Port } from "../executable/executable.ts";
import { throwIfAborted, withLimits } from "./abort.ts";
import { CpuProgram } from "./cpu/index.ts";
import { checkInputs } from "./tensor-info.ts";
import type { JobProfile, StepTiming, SubmitOptions } from "./transport.ts";

/** Limits and wishes of one submit of a partition. */
export interface PartitionRunOptions extends SubmitOptions {
  /** Value of performance.now() at which `timeoutMs` is over; Infinity: never. */
  deadline: number;
  /** With `profile`: called with every job, in order, by executors that can tell. */
  onJob(job: JobProfile): void;
}

/** What an inference gives back, whoever ran it. */
export interface RunResult {
  outputs: Uint8Array[];
  timings: StepTiming[];
  /** With `profile`, when the executor reports jobs. */
  jobs?: JobProfile[];
}

/** Submits partitions: the part of a transport that differs between simulator and devices. */
export interface PartitionExecutor {
  /** It reports the jobs of profiles. */
  readonly profiles: boolean;
  /**
   * Uploads, submits, waits, downloads.
   * @param partition index in Executable.partitions
   * @param inputs bytes for each of the partition's input ports, as the NPU stores them
   * @returns bytes of each output port, as the NPU stores them
   */
  run(
    partition: number,
    inputs: readonly Uint8Array[],
    options: PartitionRunOptions,
  ): Uint8Array[] | Promise<Uint8Array[]>;
}

/** Bytes of the graph's tensors during an inference. */
type TensorBytes = Map<number, Uint8Array>;

interface RunnerStep {
  kind: StepTiming["kind"];
  run(tensors: TensorBytes, options: PartitionRunOptions): void | Promise<void>;
}

/**
 * Everything about running an executable that does not depend on the device. Inferences take turns, however many are
 * asked for at once.
 */
export class ExecutableRunner {
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly executable: Executable,
    private readonly steps: readonly RunnerStep[],
    private readonly profiles: boolean,
  ) {}

  /**
   * Plans the CPU steps; their constants and buffers live in a core of their own as long as the runner.
   * @param options build of the core to use
   * @throws UnsupportedError TW_UNSUP_OPERATOR when a CPU step has an operator without a kernel
   * @throws PlanError TW_PLAN_LIMIT when memory does not suffice
   */
  static async create(
    executable: Executable,
    npu: PartitionExecutor,
    options: CoreOptions = {},
  ): Promise<ExecutableRunner> {
    const hasCpuSteps = executable.steps.some(({ kind }) => kind === "cpu");
    const core = hasCpuSteps ? await Core.create(options) : null;
    const needed = neededTensors(executable);
    const steps = executable.steps.map((step): RunnerStep => {
      if (step.kind === "npu") return npuStep(executable, step.partition, npu);
      const results = step.ops
        .flatMap((op) => executable.graph.ops[op]!.outputs)
        .filter((id) => needed.has(id));
      return cpuStep(new CpuProgram(core!, executable.graph, step.ops, results));
    });
    return new ExecutableRunner(executable, steps, npu.profiles);
  }

  /**
   * One inference.
   * @param inputs bytes of every graph input, in the graph's order
   * @returns bytes of every graph output, in the graph's order, the time of each step and, with `profile`, of each job
   * @throws TransportError TW_IO_INPUT; TW_IO_ABORTED and TW_IO_TIMEOUT at once, also while others have their turn. What has
   *   begun then goes on to the next border of two steps, or as far as the executor takes it
   */
  async run(inputs: readonly Uint8Array[], options: SubmitOptions = {}): Promise<RunResult> {
    checkInputs(this.executable.graph, inputs);
    const deadline = performance.now() + (options.timeoutMs ?? Infinity);
    const result = this.turn.then(() => this.runSteps(inputs, options, deadline));
    // One failed inference does not stop those behind it.
    this.turn = result.catch(() => {});
    return withLimits(result, options, "the inference");
  }

  private async runSteps(
    inputs: readonly Uint8Array[],
    options: SubmitOptions,
    deadline: number,
  ): Promise<RunResult> {
    const { graph } = this.executable;
    // While others had their turn, a caller may have transferred a buffer: then it has no bytes any more.
    checkInputs(graph, inputs);
    const tensors: TensorBytes = new Map(graph.inputs.map((id, i) => [id, inputs[i]!]));
    const timings: StepTiming[] = [];
    const jobs: JobProfile[] = [];
    const stepOptions = { ...options, deadline, onJob: (job: JobProfile) => void jobs.push(job) };
    for (const [index, step] of this.steps.entries()) {
      await breathe(options, deadline);
      const start = performance.now();
      await step.run(tensors, stepOptions);
      timings.push({ step: index, kind: step.kind, milliseconds: performance.now() - start });
      options.onStep?.((index + 1) / this.steps.length);
    }
    // Slices: a graph may return one of its inputs or a constant, which are not ours to give away.
    const outputs = graph.outputs.map((id) =>
      (tensors.get(id) ?? graph.tensors[id]!.constant ?? new Uint8Array(0)).slice(),
    );
    return { outputs, timings, ...(options.profile === true && this.profiles && { jobs }) };
  }
}

/** Lets events in when somebody listens or may want to stop us, and stops when somebody did. */
async function breathe(
  { signal, timeoutMs, onStep }: SubmitOptions,
  deadline: number,
): Promise<void> {
  if (signal === undefined && timeoutMs === undefined && onStep === undefined) return;
  await new Promise((resolve) => setTimeout(resolve));
  throwIfAborted(signal, "the inference");
  if (performance.now() > deadline)
    throw new TransportError("TW_IO_TIMEOUT", `the inference took longer than ${timeoutMs} ms`);
}

/** Tensors that somebody outside of the step that computes them asks for. */
function neededTensors({ graph, partitions, steps }: Executable): Set<number> {
  const needed = new Set(graph.outputs);
  for (const { inputs } of partitions) for (const { tensor } of inputs) needed.add(tensor);
  for (const step of steps) {
    if (step.kind === "npu") continue;
    const own = new Set(step.ops.flatMap((op) => graph.ops[op]!.outputs));
    for (const op of step.ops)
      for (const id of graph.ops[op]!.inputs) if (!own.has(id)) needed.add(id);
  }
  return needed;
}

function cpuStep(program: CpuProgram): RunnerStep {
  return {
    kind: "cpu",
    run(tensors): void {
      const results = program.run((id) => tensors.get(id)!);
      for (const [id, bytes] of results) tensors.set(id, bytes);
    },
  };
}

function npuStep(executable: Executable, index: number, npu: PartitionExecutor): RunnerStep {
  const { graph } = executable;
  const partition = executable.partitions[index]!;
  const convert = (port: Port, bytes: Uint8Array): Uint8Array =>
    convertSigned(graph.tensors[port.tensor]!.type, bytes);
  return {
    kind: "npu",
    async run(tensors, options): Promise<void> {
      const inputs = partition.inputs.map((port) =>
        convert(port, tensors.get(port.tensor) ?? graph.tensors[port.tensor]!.constant!),
      );
      let outputs: Uint8Array[];
      try {
        outputs = await npu.run(index, inputs, options);
      } catch (cause) {
        throw cause instanceof SimFault ? withOperator(cause, executable, partition, index) : cause;
      }
      for (const [i, port] of partition.outputs.entries())
        tensors.set(port.tensor, convert(port, outputs[i]!));
    },
  };
}

/**
 * Bytes of a tensor as the NPU stores them from TFLite's, or back: the NPU knows unsigned bytes only, so signed ones move
 * by 128 (spec/lowering.md 12).
 */
function convertSigned(type: string, bytes: Uint8Array): Uint8Array {
  return type.startsWith("uint") ? bytes : bytes.map((byte) => byte ^ 0x80);
}

/** The simulator counts jobs; people think in operators. */
function withOperator(
  fault: SimFault,
  { graph }: Executable,
  { jobs }: ExecutablePartition,
  index: number,
): SimFault {
  const job = jobs[fault.where.job ?? -1];
  if (job === undefined) return fault;
  const op = graph.ops[job.sourceOp];
  const named = new SimFault(
    fault.code as ConstructorParameters<typeof SimFault>[0],
    `${fault.message} (partition ${index}, ${job.kind} ${job.op} of operator ${job.sourceOp} ${op?.kind ?? ""})`,
    { ...fault.where, op: job.sourceOp },
  );
  named.cause = fault;
  return named;
}
