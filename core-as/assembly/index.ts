// The whole ABI of the core on one page. Re-exports only.
// SPDX-License-Identifier: MIT
export { arenaMark, arenaReset, arenaAlloc, arenaAllocZeroed } from "./arena";
export { faultRecord } from "./fault";
export { mixChecksum } from "./checksum";

// compiler: tiling, SRAM plan, coefficients, descriptors, command stream
export { planTiles } from "./tile/tiles";
export { planSram } from "./tile/sram";
export {
  transposeWeights,
  destrideWeights,
  dilateWeights,
  expandDepthwise,
  gatherDepthwise,
  widenPointwise,
  flipBytes,
} from "./coef/transform";
export { planCoefs, dealKernels, encodeCoefs } from "./versions";
export { packNn } from "./cmd/nn";
export { packTp } from "./cmd/tp";
export { emitCommands, emitInit } from "./cmd/emit";

// CPU kernels: the integer reference
export { requantise } from "./kernels/requantise";
export { prepareWeights } from "./kernels/weights";
export { runConv2d } from "./kernels/conv";
export { runDepthwiseConv2d } from "./kernels/depthwise";
export { runAdd } from "./kernels/add";
export { runAveragePool2d, runMaxPool2d } from "./kernels/pool";
export { runMean } from "./kernels/mean";
export { runSoftmax } from "./kernels/softmax";
export { runCopyBlocks, runPad, runStridedCopy } from "./kernels/move";
export { runBinary } from "./kernels/binary";
export { runUnary } from "./kernels/unary";
export { runCast, runQuantize, runDequantize } from "./kernels/convert";
export { runResizeBilinear, runResizeNearest } from "./kernels/resize";
export { runArgExtreme } from "./kernels/arg";
export { runReduce } from "./kernels/reduce";
export { runGatherNd } from "./kernels/gather";
export { runDetection } from "./kernels/detection";

export {
  simCreate,
  simJobCount,
  simMapBuffer,
  simShare,
  simSubmit,
  simTouch,
} from "./sim/simulator";
export { decodeCoefs } from "./coef/decode";
export { checkJobCount, checkSubmit } from "./check/checker";
export { checkReport } from "./check/report";
