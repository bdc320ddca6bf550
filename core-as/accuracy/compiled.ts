// The compilations behind a comparison: the network for use, the same one with more outputs, operators that stand alone.
// SPDX-License-Identifier: MIT
import { compile, type CompileOptions } from "../compile/compile.ts";
import { EncodeError, PlanError, TransportError, UnsupportedError } from "../errors.ts";
import type { Executable } from "../executable/executable.ts";
import type { OperatorReport } from "../inspect/report.ts";
import type { Model, Op } from "../ir/graph.ts";
import { createSession, type Session } from "../runtime/session.ts";
import type { Evidence, Transport } from "../runtime/transport.ts";
import { methodsOf, type LayerMethod } from "./methods.ts";
import {
  aloneGroups,
  aloneNetwork,
  isImage,
  readableTensors,
  withOutputs,
  type Network,
} from "./networks.ts";

/** A network and what it was compiled to. */
export interface CompiledNetwork extends Network {
  executable: Executable;
  operators: OperatorReport[];
  /** Layers of whose computation the report tells more, by operator. */
  methods: ReadonlyMap<number, LayerMethod>;
}

/** Operators that stand alone; operator i of the network is ops[i]. */
export interface AloneNetwork extends CompiledNetwork {
  ops: Op[];
}

export interface Compilations {
  /** As everybody compiles it. */
  whole: CompiledNetwork;
  model: Model;
  /** Together they give back every tensor that an operator computes, but for those named in notes. */
  probes: CompiledNetwork[];
  alone: AloneNetwork[];
  /** Operators that are computed in another way when they are alone. */
  differentAlone: ReadonlySet<number>;
  /** What is promised for operators that are alone, steps. */
  aloneBounds: ReadonlyMap<number, number>;
  notes: string[];
}

type Settings = Omit<CompileOptions, "onProgress">;

/** What a network may lack without the comparison being worthless. */
const isRefusal = (error: unknown): error is Error =>
  error instanceof UnsupportedError || error instanceof PlanError || error instanceof EncodeError;

async function compileNetwork(network: Network, settings: Settings): Promise<CompiledNetwork> {
  const { executable, report } = await compile(network.bytes, settings);
  return { ...network, executable, operators: report.operators, methods: methodsOf(report) };
}

/**
 * Compiles a model in all these forms.
 * @throws what compile() throws for the model itself
 */
export async function compileAll(
  bytes: Uint8Array,
  settings: Settings,
  onProgress: (what: string, done: number) => void,
): Promise<Compilations> {
  onProgress("compiling the model", 0);
  const { executable, model, report } = await compile(bytes, settings);
  const { graph } = model;
  const { inputs, outputs } = graph;
  const methods = methodsOf(report);
  const whole = { bytes, inputs, outputs, executable, operators: report.operators, methods };
  const notes: string[] = [];
  onProgress("compiling it with all values as outputs", 1 / 3);
  const probes: CompiledNetwork[] = [];
  const hidden = hiddenTensors(model, whole);
  for (const tensors of readableTensors(graph))
    try {
      probes.push(await compileNetwork(withOutputs(model, tensors, hidden), settings));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      notes.push(`Values inside of the network cannot be read: ${error.message}.`);
    }
  onProgress("compiling every operator alone", 2 / 3);
  const onNpu = graph.ops.filter(({ id }) => executable.placements[id]!.place === "npu");
  const alone: AloneNetwork[] = [];
  for (const ops of aloneGroups(graph, onNpu))
    alone.push(...(await compileAlone(model, ops, settings, notes)));
  const found = differences(whole, probes, alone);
  const aloneBounds = alone.flatMap(({ ops, methods }) =>
    [...methods].map(([at, { bound }]) => [ops[at]!.id, bound] as const),
  );
  return {
    whole,
    model,
    probes,
    alone,
    differentAlone: found.differentAlone,
    aloneBounds: new Map(aloneBounds),
    notes: [...notes, ...found.notes],
  };
}

/**
 * Tensors whose being an output would change how their channels lie, and with that how layers are computed: images on the NPU, where
 * layers have a scale for each channel.
 */
function hiddenTensors({ graph }: Model, { operators, methods }: CompiledNetwork): Set<number> {
  if (methods.size === 0) return new Set();
  const written = graph.ops.filter(({ id }) => operators[id]!.place === "npu");
  return new Set(
    written.flatMap(({ outputs }) => outputs).filter((id) => isImage(graph.tensors[id]!)),
  );
}

/** A group; halved where one of its operators does not compile alone. */
async function compileAlone(
  model: Model,
  ops: Op[],
  settings: Settings,
  notes: string[],
): Promise<AloneNetwork[]> {
  try {
    return [{ ...(await compileNetwork(aloneNetwork(model, ops), settings)), ops }];
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const [op] = ops;
    if (ops.length === 1) {
      notes.push(`Operator ${op!.id} ${op!.kind} does not compile alone: ${error.message}.`);
      return [];
    }
    const half = Math.ceil(ops.length / 2);
    const first = await compileAlone(model, ops.slice(0, half), settings, notes);
    return [...first, ...(await compileAlone(model, ops.slice(half), settings, notes))];
  }
}

/** How layers are judged that would be computed in another way alone. */
const JUDGED = ", so that they are judged inside of the network, on the inputs they get there";

/** Operators that a note names. */
const MOST_NAMED = 6;

/** Where a network that shows more computes in another way than the one for use. */
function differences(
  whole: CompiledNetwork,
  probes: readonly CompiledNetwork[],
  alone: readonly AloneNetwork[],
): { notes: string[]; differentAlone: Set<number> } {
  const notes: string[] = [];
  const others = new Map<string, string[]>();
  const compare = (
    id: number,
    network: CompiledNetwork,
    at: number,
    how: string,
    judged = "",
  ): void => {
    const [used, seen] = [whole.operators[id]!, network.operators[at]!];
    const [usual, method] = [whole.methods.get(id)?.method, network.methods.get(at)?.method];
    if (seen.place !== used.place && used.jobs > 0)
      notes.push(`Operator ${id} ${used.name} runs on the ${seen.place.toUpperCase()} ${how}.`);
    else if (method !== usual)
      others.set(how + judged, [
        ...(others.get(how + judged) ?? []),
        `#${id} (${method ?? "one job"}, usually ${usual ?? "one job"})`,
      ]);
  };
  for (const probe of probes)
    for (const id of whole.operators.keys())
      compare(id, probe, id, "when values are read out of the network");
  const differentAlone = new Set<number>();
  for (const network of alone)
    for (const [i, { id }] of network.ops.entries()) {
      compare(id, network, i, "when they are alone", JUDGED);
      if (network.methods.get(i)?.method !== whole.methods.get(id)?.method) differentAlone.add(id);
    }
  for (const [how, list] of others) {
    const rest = list.length > MOST_NAMED ? ` and ${list.length - MOST_NAMED} more` : "";
    const named = list.slice(0, MOST_NAMED).join(", ");
    notes.push(`Layers with other channel groups ${how}: ${named}${rest}.`);
  }
  return { notes, differentAlone };
}

/** Sessions that stay loaded at the same time: boards take so many of one connection, and a few are for others. */
const MOST_SESSIONS = 12;

/** Runs executables on one transport, and keeps them loaded for the next inputs. */
export class Sessions {
  private readonly open = new Map<Executable, Session>();
  private most = MOST_SESSIONS;
  /** What the answers are worth; null before the first. */
  evidence: Evidence | null = null;

  constructor(
    private readonly transport: Transport,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async run(executable: Executable, inputs: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const options = this.signal === undefined ? {} : { signal: this.signal };
    const known = this.open.get(executable);
    const session = known ?? (await this.load(executable, options));
    const isKept = known !== undefined || this.open.size < this.most;
    if (isKept) this.open.set(executable, session);
    try {
      const { outputs, evidence } = await session.run(inputs, options);
      this.evidence = evidence;
      return outputs;
    } finally {
      if (!isKept) await session.close();
    }
  }

  /** A board may take fewer than we keep: what is kept then makes room, and one place is left for what comes and goes. */
  private async load(executable: Executable, options: { signal?: AbortSignal }): Promise<Session> {
    try {
      return await createSession(executable, this.transport, options);
    } catch (error) {
      if (!(error instanceof TransportError && error.code === "TW_IO_LIMIT")) throw error;
      if (this.open.size === 0) throw error;
      this.most = this.open.size - 1;
      await this.close();
      return createSession(executable, this.transport, options);
    }
  }

  async close(): Promise<void> {
    for (const session of this.open.values()) await session.close();
    this.open.clear();
  }
}
