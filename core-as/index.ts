// The public interface of Tilewright: compiler, executables, simulator, inspection. Safe for browsers.
// SPDX-License-Identifier: MIT

// Compiling
export {
  compile,
  targetChip,
  DEFAULT_MODE,
  DEFAULT_TARGET,
  type CompileOptions,
  type CompileResult,
} from "./compile/compile.ts";
export type { CompileCache } from "./compile/cache.ts";
export { ACCURACIES, type Accuracy } from "./compile/options.ts";
export type { CompileMode, Optimisations } from "./compile/options.ts";
export type { PassTiming } from "./compile/pipeline.ts";
export { Core, type CoreOptions } from "./core.ts";

// Executables
export { parseExecutable, serialiseExecutable } from "./executable/container.ts";
export type {
  BufferRole,
  Executable,
  ExecutableBuffer,
  ExecutableJob,
  ExecutablePartition,
  LayerBound,
  Placement,
  Port,
  Relocation,
  Step,
} from "./executable/executable.ts";

// Running
export { checkExecutable } from "./runtime/check-executable.ts";
export { createSession, type Session } from "./runtime/session.ts";
export { createNullTransport } from "./runtime/null-transport.ts";
export {
  createRecordTransport,
  type RecordOptions,
  type RecordSink,
  type RecordTransport,
} from "./runtime/record-transport.ts";
export { createReplayTransport, type ReplayTransport } from "./runtime/replay-transport.ts";
export { createSimTransport, type SimTransportOptions } from "./runtime/sim-transport.ts";
export type { SimThread, SimThreads } from "./runtime/threads/team.ts";
export { Simulator, type SimulatorOptions } from "./runtime/simulator.ts";
export {
  checkPartition,
  partitionSubmit,
  SubmitChecker,
  type CheckBuffer,
  type CheckOptions,
  type PartitionOptions,
  type PartitionSubmit,
  type SubmitCheckerOptions,
} from "./runtime/submit-check.ts";
export { mappedSizes } from "./runtime/mapped-sizes.ts";
export { mapCapture, parseCapture, runCapture, type Capture } from "./runtime/capture.ts";
export { inputInfos, outputInfos, type TensorInfo } from "./runtime/tensor-info.ts";
export type {
  DisconnectReason,
  Evidence,
  JobProfile,
  LoadedExecutable,
  StepTiming,
  SubmitOptions,
  SubmitResult,
  Transport,
} from "./runtime/transport.ts";

// Pictures as inputs
export {
  checkPictureSize,
  checkTakesPicture,
  decodeBmp,
  pictureError,
  pictureFormat,
  pictureInput,
  readPictureHeader,
  resizeBilinear,
  takesPicture,
  toColour,
  toGrey,
  withoutAlpha,
  type InputInfo,
  type Picture,
  type PictureHeader,
} from "./picture/index.ts";

// What outputs mean
export {
  describeOutput,
  describeOutputs,
  type AnswerOptions,
  type Detection,
  type MaskClass,
  type ModelAnswer,
  type OutputAnswer,
  type RankedClass,
} from "./answers/answers.ts";
export { isClassification, modelKind, type ModelKind } from "./answers/kinds.ts";
export { decodeKeypoints, KEYPOINT_NAMES, SKELETON, type Keypoint } from "./answers/pose.ts";
export { elementsOf, realValuesOf } from "./ir/elements.ts";

// Models
export { readModel } from "./model/read.ts";
export { writeModel } from "./model/write.ts";
export { printGraph } from "./ir/print.ts";
export { countMacs } from "./ir/macs.ts";
export type { ElementType, Graph, Model, Op, Quantisation, Tensor } from "./ir/graph.ts";

// Chips
export { chipByIdentity, chipByName, CHIPS, type Chip, type ChipIdentity } from "./hw/chips.ts";

// Predicting: what jobs cost
export { overrideSystem, systemOf, type System } from "./hw/systems.ts";
export {
  dramBytes,
  jobTime,
  totalMs,
  type Bound,
  type JobCost,
  type JobTime,
} from "./cost/job-cost.ts";
export { nnCost, type NnShape } from "./cost/nn-cost.ts";
export { tpCost, type TpShape } from "./cost/tp-cost.ts";
export { nnShapeOf, priceExecutable, tpShapeOf, type PricedChip } from "./inspect/price.ts";
export { priceCapture } from "./inspect/price-capture.ts";

// Inspection
export {
  buildReport,
  type AgainstReport,
  type CoefficientReport,
  type CompileReport,
  type JobPrediction,
  type JobReport,
  type NnReport,
  type OperatorReport,
  type ReportOptions,
  type ReportTotals,
  type WhatIf,
} from "./inspect/report.ts";
export { reportAgainst } from "./inspect/report-against.ts";
export { reportCsv } from "./inspect/report-csv.ts";
export { reportHtml } from "./inspect/report-html.ts";
export { reportTrace } from "./inspect/report-trace.ts";
export { memoryMap, type MemoryMap, type MemoryRow } from "./inspect/memory-map.ts";
export { memoryMapSvg } from "./inspect/memory-map-svg.ts";
export { canonicalOf, type Canonical } from "./inspect/canonical.ts";
export { sha256Hex } from "./executable/bytes.ts";
export {
  annotateCoefficients,
  coefficientFieldsOf,
  type AnnotatedCoefficients,
  type BitSpan,
  type CoefficientFields,
  type CoreStream,
  type SpanKind,
  type SpanList,
  type StreamKernel,
  type WeightPlace,
} from "./inspect/coefficient-bits.ts";
export {
  markKind,
  rooflineOf,
  ticks,
  type MarkKind,
  type Roofline,
  type RooflineMark,
} from "./inspect/chart-geometry.ts";
export {
  explainLine,
  streamLines,
  type ExplainedField,
  type ExplainedTarget,
  type ExplainedWord,
  type StreamLine,
} from "./inspect/explain-stream.ts";
export { describeJobDescriptors, type DescriptorView, type FieldView } from "./inspect/symbols.ts";
export { writeCapture, writeCaptures, type CaptureOptions } from "./inspect/capture.ts";
export {
  blockTable,
  decodeBlock,
  readFieldValue,
  undeclaredBits,
  type DecodedField,
  type UndeclaredBits,
} from "./inspect/decode.ts";

// Accuracy
export {
  compareLayers,
  type CompareOptions,
  type LayerTensors,
  type Sample,
} from "./accuracy/compare-layers.ts";
export { accuracyHtml } from "./inspect/accuracy-html.ts";
export {
  beyondLimit,
  firstViolation,
  type AccuracyLimits,
  type LimitViolation,
} from "./inspect/accuracy-limits.ts";
export {
  differenceOf,
  elementName,
  firstText,
  snrText,
  worstFirst,
  type AccuracyReport,
  type Comparison,
  type FloatAccuracy,
  type LayerAccuracy,
  type OutputAccuracy,
  type PictureAccuracy,
} from "./inspect/accuracy-report.ts";
export {
  compareTensors,
  compareWithReal,
  DifferenceSums,
  type ChannelDifference,
  type HistogramBin,
  type TensorDifference,
  type TensorLayout,
} from "./inspect/accuracy.ts";

// Errors
export {
  CoreBugError,
  EncodeError,
  ERROR_CODES,
  ExecutableError,
  FieldRangeError,
  GraphError,
  MismatchError,
  ModelFormatError,
  NpuError,
  PlanError,
  SimFault,
  SubmitCheckError,
  TransportError,
  UnsupportedError,
  UsageError,
  type ErrorCode,
  type ErrorLocation,
} from "./errors.ts";
