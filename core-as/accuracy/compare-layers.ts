// Every layer of a model against the integer reference and against float: alone with the reference's inputs, and behind all others.
// SPDX-License-Identifier: MIT
import { DEFAULT_TARGET, targetChip, type CompileOptions } from "../compile/compile.ts";
import { Core } from "../core.ts";
import { TransportError } from "../errors.ts";
import { sameBytes } from "../executable/bytes.ts";
import type { TensorDifference } from "../inspect/accuracy.ts";
import {
  worstFirst,
  type AccuracyReport,
  type LayerAccuracy,
  type OutputAccuracy,
  type PictureAccuracy,
} from "../inspect/accuracy-report.ts";
import type { Graph, Op } from "../ir/graph.ts";
import { CpuProgram, runOperator } from "../runtime/cpu/index.ts";
import { FloatModel, realsOf, type Reals } from "../runtime/float/index.ts";
import { createSimTransport } from "../runtime/sim-transport.ts";
import { checkInputs } from "../runtime/tensor-info.ts";
import type { Transport } from "../runtime/transport.ts";
import { compileAll, Sessions, type Compilations } from "./compiled.ts";
import { mergeTallies, newTallies, type Tallies } from "./tally.ts";

/** One set of inputs. */
export interface Sample {
  /** What reports call it, e.g. a file's name. */
  name: string;
  /** Bytes of every input of the model, in its order. */
  inputs: readonly Uint8Array[];
}

/** What an operator gave for one sample, output by output. */
export interface LayerTensors {
  sample: number;
  op: number;
  /** The integer reference's. */
  reference: readonly Uint8Array[];
  /** The NPU's, fed with the reference's inputs, compiled alone; null where there is none. */
  alone: readonly Uint8Array[] | null;
  /** The compiled network's own; null where it could not be read. */
  chained: readonly (Uint8Array | null)[];
}

/** How layers are compared; every member is optional. */
export interface CompareOptions extends Omit<CompileOptions, "onProgress"> {
  /** Runs the NPU's part, for the chip of `target`; default: a simulator. It stays open. */
  transport?: Transport;
  /** Also compare with a float evaluation of the dequantised model. Default false. */
  float?: boolean;
  /** Called with the values of every operator, e.g. to draw them. */
  onTensors?: (tensors: LayerTensors) => void;
}

/**
 * Compares a model layer by layer.
 *
 * "Alone" is the operator compiled in a network in which every operator reads inputs and writes outputs of the network, fed with
 * what the integer reference computes; or, where it would be computed in another way there, inside of the compiled network, against
 * what the integer reference makes of the same inputs. "Chained" is the value that the compiled network itself computes there, read out of a
 * compilation in which every tensor is an output. Whether that one computes as the usual compilation does is checked on the
 * outputs, and on how the compiler's report says that each layer is computed; where not, `notes` says so.
 * @param model bytes of a TFLite file
 * @param samples one or more sets of inputs, or functions that load one; figures are of all together
 * @param onProgress called with what is being done and the share of the work that is done, 0..1
 * @throws what compile() and Session.run() throw; UnsupportedError TW_UNSUP_OPERATOR for an operator without an integer kernel
 * @throws TransportError TW_IO_INPUT without samples and for inputs of a wrong count or size
 */
export async function compareLayers(
  model: Uint8Array,
  options: CompareOptions,
  samples: readonly (Sample | (() => Promise<Sample>))[],
  onProgress: (what: string, done: number) => void = () => {},
): Promise<AccuracyReport> {
  if (samples.length === 0)
    throw new TransportError("TW_IO_INPUT", "there are no inputs to compare a model with");
  const { transport, float = false, onTensors, ...settings } = options;
  const chip = targetChip(options.target ?? DEFAULT_TARGET);
  const core = options.core ?? (await Core.create());
  const share = 1 / (samples.length + 1);
  const compilations = await compileAll(model, { ...settings, core }, (what, done) =>
    onProgress(what, done * share),
  );
  const npu = transport ?? createSimTransport(chip);
  const sessions = new Sessions(npu, options.signal);
  try {
    const work = new Comparison(compilations, sessions, await Core.create(), float, onTensors);
    for (const [i, given] of samples.entries()) {
      const sample = typeof given === "function" ? await given() : given;
      const step = (what: string, done: number): void =>
        onProgress(`${sample.name}: ${what}`, share * (1 + i + done));
      await work.add(sample, step);
    }
    return work.report();
  } finally {
    await sessions.close();
    if (transport === undefined) await npu.close();
  }
}

/** Outputs of one operator. */
interface OwnResult {
  got: readonly Uint8Array[];
  expected: readonly Uint8Array[];
}

/** Bytes of tensors by id. */
type Values = Map<number, Uint8Array>;

class Comparison {
  private readonly graph: Graph;
  private readonly reference: CpuProgram;
  private readonly floatModel: FloatModel | null;
  private readonly total: Tallies;
  private readonly pictures: PictureAccuracy[] = [];
  private readonly notes: Set<string>;
  /** Operators whose own figures are those of the network. */
  private readonly inNetwork = new Set<number>();

  constructor(
    private readonly compilations: Compilations,
    private readonly sessions: Sessions,
    private readonly core: Core,
    float: boolean,
    private readonly onTensors: CompareOptions["onTensors"],
  ) {
    this.graph = compilations.model.graph;
    this.notes = new Set(compilations.notes);
    const ids = this.graph.ops.map(({ id }) => id);
    this.reference = new CpuProgram(core, this.graph, ids, []);
    this.floatModel = float ? new FloatModel(core, this.graph) : null;
    this.total = newTallies(this.graph);
  }

  async add(
    { name, inputs }: Sample,
    onProgress: (what: string, done: number) => void,
  ): Promise<void> {
    const { graph, total } = this;
    checkInputs(graph, inputs);
    onProgress("the integer reference", 0);
    const reference: Values = new Map(graph.inputs.map((id, i) => [id, inputs[i]!]));
    this.reference.run(
      (id) => reference.get(id)!,
      (op, outputs) => op.outputs.forEach((id, i) => reference.set(id, outputs[i]!)),
    );
    const tallies = newTallies(graph);
    onProgress("the network", 0.2);
    const chained = await this.chainedValues(inputs, reference, tallies);
    onProgress("operators alone", 0.4);
    const alone = await this.aloneValues(reference);
    const own = this.ownInputs(chained, inputs);
    for (const op of graph.ops) this.tally(op, reference, alone, chained, own, tallies);
    if (this.floatModel !== null)
      this.compareFloat(reference, alone, chained, tallies, (op) =>
        onProgress(`operator ${op.id} ${op.kind} in float`, 0.6 + (0.4 * op.id) / graph.ops.length),
      );
    const worst = worstFirst(this.layersOf(tallies))[0];
    this.pictures.push({
      name,
      outputs: this.outputsOf(tallies),
      worst: worst
        ? { op: worst.op, name: worst.name, max: worst.alone!.max, mean: worst.alone!.mean }
        : null,
    });
    mergeTallies(total, tallies);
  }

  report(): AccuracyReport {
    const { whole } = this.compilations;
    const { chip, mode, modelSha256 } = whole.executable;
    return {
      model: { name: this.graph.name, sha256: modelSha256 },
      target: chip.name,
      mode,
      evidence: this.sessions.evidence ?? "none",
      layers: this.layersOf(this.total),
      wholeModel: this.outputsOf(this.total),
      pictures: this.pictures,
      notes: [...this.notes],
    };
  }

  /** The network's own values, and its outputs against the reference's. */
  private async chainedValues(
    inputs: readonly Uint8Array[],
    reference: Values,
    { whole }: Tallies,
  ): Promise<Values> {
    const { graph, sessions } = this;
    const outputs = await sessions.run(this.compilations.whole.executable, inputs);
    const values: Values = new Map();
    for (const probe of this.compilations.probes) {
      const read = await sessions.run(probe.executable, inputs);
      for (const [i, id] of probe.outputs.entries()) values.set(id, read[i]!);
      if (outputs.some((bytes, i) => !sameBytes(bytes, read[i]!)))
        this.notes.add(
          "The network whose values are read out does not give the outputs of the usual compilation: chained figures of layers are those of another computation.",
        );
    }
    for (const [i, id] of graph.outputs.entries()) {
      values.set(id, outputs[i]!);
      whole.add(id, outputs[i]!, reference.get(id) ?? graph.tensors[id]!.constant!);
    }
    return values;
  }

  /** What operators on the NPU give when they are fed with the reference's values. */
  private async aloneValues(reference: Values): Promise<Values> {
    const values: Values = new Map();
    for (const network of this.compilations.alone) {
      const inputs = network.inputs.map((id) => reference.get(id)!);
      const outputs = await this.sessions.run(network.executable, inputs);
      for (const [i, id] of network.outputs.entries()) values.set(id, outputs[i]!);
    }
    return values;
  }

  /**
   * Operators that are computed in another way when they are alone: what they give inside of the network, and what the integer reference
   * makes of the same inputs.
   */
  private ownInputs(chained: Values, inputs: readonly Uint8Array[]): Map<number, OwnResult> {
    const { graph, core } = this;
    const given: Values = new Map(graph.inputs.map((id, i) => [id, inputs[i]!]));
    const valueOf = (id: number): Uint8Array | undefined => chained.get(id) ?? given.get(id);
    const found = new Map<number, OwnResult>();
    for (const id of this.compilations.differentAlone) {
      const op = graph.ops[id]!;
      const read = op.inputs.filter((input) => input >= 0 && !graph.tensors[input]!.constant);
      if (![...read, ...op.outputs].every((tensor) => valueOf(tensor) !== undefined)) continue;
      const expected = runOperator(core, graph, op, (tensor) => valueOf(tensor)!);
      found.set(id, { got: op.outputs.map((tensor) => valueOf(tensor)!), expected });
      this.inNetwork.add(id);
    }
    return found;
  }

  private tally(
    op: Op,
    reference: Values,
    alone: Values,
    chained: Values,
    ownResults: ReadonlyMap<number, OwnResult>,
    tallies: Tallies,
  ): void {
    const result = ownResults.get(op.id);
    for (const [i, id] of op.outputs.entries()) {
      const expected = reference.get(id)!;
      const [single, own] = [alone.get(id), chained.get(id)];
      if (result !== undefined) tallies.alone.add(id, result.got[i]!, result.expected[i]!);
      else if (single !== undefined) tallies.alone.add(id, single, expected);
      if (own !== undefined) tallies.chained.add(id, own, expected);
    }
    const singles = op.outputs.map((id) => alone.get(id));
    this.onTensors?.({
      sample: this.pictures.length,
      op: op.id,
      reference: op.outputs.map((id) => reference.get(id)!),
      alone: singles.includes(undefined) ? null : (singles as Uint8Array[]),
      chained: op.outputs.map((id) => chained.get(id) ?? null),
    });
  }

  private compareFloat(
    reference: Values,
    alone: Values,
    chained: Values,
    tallies: Tallies,
    onOperator: (op: Op) => void,
  ): void {
    const { graph } = this;
    const model = this.floatModel!;
    const real = (id: number): Reals => realsOf(graph.tensors[id]!, reference.get(id)!);
    const network = new Map(graph.inputs.map((id) => [id, real(id)]));
    const lastUse = new Map(graph.ops.flatMap((op) => op.inputs.map((id) => [id, op.id])));
    for (const op of graph.ops) {
      onOperator(op);
      const single = model.run(op, real);
      const own = model.run(op, (id) => network.get(id)!);
      for (const [i, id] of op.outputs.entries()) {
        const bytes = alone.get(id) ?? reference.get(id)!;
        tallies.floatAlone.addReal(id, bytes, single[i]!);
        tallies.floatReference.addReal(id, reference.get(id)!, own[i]!);
        if (chained.has(id)) tallies.floatChained.addReal(id, chained.get(id)!, own[i]!);
        if (graph.outputs.includes(id)) tallies.floatWhole.addReal(id, chained.get(id)!, own[i]!);
        network.set(id, own[i]!);
      }
      for (const id of op.inputs)
        if (lastUse.get(id) === op.id && !graph.outputs.includes(id)) network.delete(id);
    }
  }

  private layersOf(tallies: Tallies): LayerAccuracy[] {
    return this.graph.ops.map((op) => {
      const { operators, methods } = this.compilations.whole;
      const report = operators[op.id]!;
      const id = worstOutput(op, tallies);
      const { name, shape, type } = this.graph.tensors[id]!;
      const reference = tallies.floatReference.statistics(id);
      return {
        op: op.id,
        name: report.name,
        output: name,
        shape,
        type,
        place: report.place,
        method: methods.get(op.id)?.method ?? null,
        bound: methods.get(op.id)?.bound ?? null,
        aloneBound: this.inNetwork.has(op.id)
          ? (methods.get(op.id)?.bound ?? null)
          : (this.compilations.aloneBounds.get(op.id) ?? null),
        alone: tallies.alone.statistics(id),
        chained: tallies.chained.statistics(id),
        ...(reference && {
          float: {
            alone: tallies.floatAlone.statistics(id),
            chained: tallies.floatChained.statistics(id),
            reference,
          },
        }),
      };
    });
  }

  private outputsOf(tallies: Tallies): OutputAccuracy[] {
    return this.graph.outputs.map((id) => {
      const { name, shape } = this.graph.tensors[id]!;
      const chained = tallies.floatWhole.statistics(id);
      const reference = tallies.floatReference.statistics(id);
      return {
        name,
        shape,
        ...tallies.whole.statistics(id)!,
        ...(chained && reference && { float: { chained, reference } }),
      };
    });
  }
}

/** Of several outputs, the one whose largest difference is largest. */
function worstOutput(op: Op, { alone, chained }: Tallies): number {
  const of = (id: number): TensorDifference | null =>
    alone.statistics(id) ?? chained.statistics(id);
  if (op.outputs.length === 1) return op.outputs[0]!;
  return op.outputs.reduce((a, b) => ((of(b)?.max ?? 0) > (of(a)?.max ?? 0) ? b : a));
}
