// Boxes of detection models: decoding against anchors, and how much two of them overlap.
// SPDX-License-Identifier: MIT
import { DetectionParam } from "../abi-kernels";
import { param, paramFloat, paramPtr } from "./requantise";

/** Number `index` of a tensor of binary32, or of bytes that stand for binary32 in a table. */
function numberAt(tensor: usize, table: usize, index: usize): f64 {
  if (table == 0) return <f64>load<f32>(tensor + (index << 2));
  return <f64>load<f32>(table + ((<usize>load<u8>(tensor + index)) << 2));
}

/**
 * Boxes as ymin, xmin, ymax, xmax; binary64 with one rounding per value, as TFLite computes them.
 * @param block DetectionParam words
 * @param decoded room for four binary32 per box
 * @returns -1, or the first box that ends before it begins
 */
export function decodeBoxes(block: usize, decoded: usize): i32 {
  const boxes = paramPtr(block, DetectionParam.BOXES);
  const anchors = paramPtr(block, DetectionParam.ANCHORS);
  const boxTable = paramPtr(block, DetectionParam.BOX_TABLE);
  const anchorTable = paramPtr(block, DetectionParam.ANCHOR_TABLE);
  const code = <usize>param(block, DetectionParam.BOX_CODE);
  const scaleY = <f64>paramFloat(block, DetectionParam.SCALE_Y);
  const scaleX = <f64>paramFloat(block, DetectionParam.SCALE_X);
  const scaleH = <f64>paramFloat(block, DetectionParam.SCALE_H);
  const scaleW = <f64>paramFloat(block, DetectionParam.SCALE_W);
  const count = param(block, DetectionParam.BOX_COUNT);
  let wrong = -1;
  for (let i = 0; i < count; i++) {
    const box = <usize>i * code;
    const anchor = (<usize>i) << 2;
    const anchorY = numberAt(anchors, anchorTable, anchor);
    const anchorX = numberAt(anchors, anchorTable, anchor + 1);
    const anchorH = numberAt(anchors, anchorTable, anchor + 2);
    const anchorW = numberAt(anchors, anchorTable, anchor + 3);
    const y = <f32>((numberAt(boxes, boxTable, box) / scaleY) * anchorH + anchorY);
    const x = <f32>((numberAt(boxes, boxTable, box + 1) / scaleX) * anchorW + anchorX);
    const h = <f32>(0.5 * Math.exp(numberAt(boxes, boxTable, box + 2) / scaleH) * anchorH);
    const w = <f32>(0.5 * Math.exp(numberAt(boxes, boxTable, box + 3) / scaleW) * anchorW);
    store<f32>(decoded, y - h);
    store<f32>(decoded, x - w, 4);
    store<f32>(decoded, y + h, 8);
    store<f32>(decoded, x + w, 12);
    if (wrong < 0 && (y - h > y + h || x - w > x + w)) wrong = i;
    decoded += 16;
  }
  return wrong;
}

function areaOf(box: usize): f32 {
  return (load<f32>(box, 8) - load<f32>(box)) * (load<f32>(box, 12) - load<f32>(box, 4));
}

/** Intersection over union of two boxes; 0 when one has no area. */
export function overlapOf(decoded: usize, first: i32, second: i32): f32 {
  const a = decoded + ((<usize>first) << 4);
  const b = decoded + ((<usize>second) << 4);
  const areaA = areaOf(a);
  const areaB = areaOf(b);
  if (areaA <= 0 || areaB <= 0) return 0;
  const top = max<f32>(load<f32>(a), load<f32>(b));
  const left = max<f32>(load<f32>(a, 4), load<f32>(b, 4));
  const bottom = min<f32>(load<f32>(a, 8), load<f32>(b, 8));
  const right = min<f32>(load<f32>(a, 12), load<f32>(b, 12));
  const common = max<f32>(bottom - top, 0) * max<f32>(right - left, 0);
  return common / (areaA + areaB - common);
}
