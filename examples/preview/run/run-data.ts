// What the run panel asks the worker: inputs and outputs of the model, what outputs mean, times of single jobs.
// SPDX-License-Identifier: MIT
import {
  createSession,
  createSimTransport,
  describeOutputs,
  elementsOf,
  inputInfos,
  modelKind,
  outputInfos,
  takesPicture,
  targetChip,
  type JobProfile,
  type ModelAnswer,
  type TensorInfo,
} from "../../../core-as/index.ts";
import type { Held } from "../service.ts";

export interface InputView extends TensorInfo {
  /** True: uint8 or int8 [1, height, width, 1 or 3]. */
  takesPicture: boolean;
}

/** Inputs and outputs of a model. */
export interface RunInfo {
  inputs: InputView[];
  outputs: TensorInfo[];
  /** SHA-256 of the model's file in hexadecimal; "" when it was not computed. */
  sha256: string;
}

export const viewRunInfo = ({ executable }: Held): RunInfo => ({
  inputs: inputInfos(executable.graph).map((info) => ({
    ...info,
    takesPicture: takesPicture(info),
  })),
  outputs: outputInfos(executable.graph),
  sha256: executable.modelSha256,
});

export interface AnswerArguments {
  key: string;
  outputs: Uint8Array[];
  labels: string[];
  /** Classes to list. */
  top: number;
}

/** A mask as a picture: the class of each pixel. */
export interface MaskView {
  width: number;
  height: number;
  classes: Uint8Array;
}

export interface AnswerView extends ModelAnswer {
  maskView?: MaskView;
}

/** What outputs say, for people. */
export function viewAnswer({ executable }: Held, args: AnswerArguments): AnswerView {
  const { graph } = executable;
  const infos = outputInfos(graph);
  const { outputs, labels, top } = args;
  const answer = describeOutputs(graph, infos, outputs, { labels, top });
  const kind = modelKind(graph);
  if (kind.kind !== "segmentation") return answer;
  const info = infos[kind.mask]!;
  const [, height = 0, width = 0] = info.shape;
  // More than 256 classes would need a wider picture; no palette tells so many apart.
  const classes = Uint8Array.from(
    elementsOf(info.type, outputs[kind.mask]!)!,
    (value) => value & 255,
  );
  return { ...answer, maskView: { width, height, classes } };
}

export interface ProfileArguments {
  key: string;
  inputs: Uint8Array[];
}

/**
 * Runs every job as a submit of its own in the simulator.
 * @throws SimFault, TransportError TW_IO_INPUT, TW_IO_ABORTED
 */
export async function viewProfile(
  { executable, signal }: Held,
  { inputs }: ProfileArguments,
): Promise<JobProfile[]> {
  const transport = createSimTransport(targetChip(executable.chip.name));
  try {
    const session = await createSession(executable, transport);
    const { jobs } = await session.run(inputs, { profile: true, signal });
    return jobs ?? [];
  } finally {
    await transport.close();
  }
}
