// Brings TFLite weights into the order of the coefficient stream (spec/lowering.md 4).
// `flip` is XORed into every byte: 0x80 turns int8 weights into the unsigned form, 0 leaves bytes alone.
// SPDX-License-Identifier: MIT

/** [o][s][f][z] -> [o][z][s][f]; dst holds as many bytes as src. */
export function transposeWeights(
  src: usize,
  dst: usize,
  outC: i32,
  taps: i32,
  inC: i32,
  flip: i32,
): void {
  const size = <usize>taps * <usize>inC;
  for (let o = 0; o < outC; o++, src += size, dst += size) {
    for (let tap = 0; tap < taps; tap++) {
      const from = src + <usize>(tap * inC);
      let to = dst + <usize>tap;
      for (let z = 0; z < inC; z++, to += <usize>taps) {
        store<u8>(to, load<u8>(from + <usize>z) ^ (<u8>flip));
      }
    }
  }
}

/**
 * Folds strides into the channels: [o][s][f][z] -> [o][(strideS z + s % strideS) strideF + f % strideF][s'][f'], where
 * s' and f' count whole strides; taps outside the kernel become `pad`.
 */
export function destrideWeights(
  src: usize,
  dst: usize,
  outC: i32,
  kS: i32,
  kF: i32,
  inC: i32,
  strideS: i32,
  strideF: i32,
  pad: i32,
  flip: i32,
): void {
  const partS = (kS + strideS - 1) / strideS;
  const partF = (kF + strideF - 1) / strideF;
  const phases = strideS * strideF;
  for (let o = 0; o < outC; o++, src += <usize>(kS * kF * inC)) {
    for (let plane = 0; plane < inC * phases; plane++) {
      const z = plane / phases;
      const phaseS = (plane % phases) / strideF;
      const phaseF = plane % strideF;
      for (let s2 = 0; s2 < partS; s2++) {
        const s = strideS * s2 + phaseS;
        for (let f2 = 0; f2 < partF; f2++, dst++) {
          const f = strideF * f2 + phaseF;
          const inside = s < kS && f < kF;
          store<u8>(
            dst,
            inside ? load<u8>(src + <usize>((s * kF + f) * inC + z)) ^ (<u8>flip) : <u8>pad,
          );
        }
      }
    }
  }
}

/**
 * Dilated kernels with their gaps: [o][s][f][z] -> [o][stepS s][stepF f][z]; gaps become `pad`. dst holds
 * outC * (stepS (kS - 1) + 1) * (stepF (kF - 1) + 1) * inC bytes.
 */
export function dilateWeights(
  src: usize,
  dst: usize,
  outC: i32,
  kS: i32,
  kF: i32,
  inC: i32,
  stepS: i32,
  stepF: i32,
  pad: i32,
): void {
  const wideS = stepS * (kS - 1) + 1;
  const wideF = stepF * (kF - 1) + 1;
  const size = <usize>inC;
  for (let o = 0; o < outC; o++) {
    for (let s = 0; s < wideS; s++) {
      for (let f = 0; f < wideF; f++, dst += size) {
        if (s % stepS == 0 && f % stepF == 0) {
          memory.copy(dst, src, size);
          src += size;
        } else {
          memory.fill(dst, <u8>pad, size);
        }
      }
    }
  }
}

/**
 * Depthwise weights, one small kernel a channel: src [tap][srcChannels] -> dst [o][tap] for the first `channels`.
 */
export function gatherDepthwise(
  src: usize,
  dst: usize,
  channels: i32,
  taps: i32,
  srcChannels: i32,
  flip: i32,
): void {
  for (let o = 0; o < channels; o++) {
    for (let tap = 0; tap < taps; tap++, dst++) {
      store<u8>(dst, load<u8>(src + <usize>(tap * srcChannels + o)) ^ (<u8>flip));
    }
  }
}

/**
 * Depthwise kernels with every plane stored: [o][tap] -> [o][z][tap], `pad` where z is not the input channel of o.
 * `taps` counts the planes of a fold as well.
 */
export function expandDepthwise(
  src: usize,
  dst: usize,
  channels: i32,
  taps: i32,
  inC: i32,
  pad: i32,
): void {
  const size = <usize>inC * <usize>taps;
  const multiplier = channels / inC;
  memory.fill(dst, <u8>pad, <usize>channels * size);
  for (let o = 0; o < channels; o++, src += <usize>taps, dst += size) {
    memory.copy(dst + <usize>(o / multiplier) * <usize>taps, src, <usize>taps);
  }
}

/** 1x1 kernels of one channel become 2x2 with the weight first and `pad` behind it. */
export function widenPointwise(src: usize, dst: usize, outC: i32, pad: i32, flip: i32): void {
  for (let o = 0; o < outC; o++, dst += 4) {
    store<u32>(dst, 0x01010100 * <u32>pad);
    store<u8>(dst, load<u8>(src + <usize>o) ^ (<u8>flip));
  }
}

/** XORs `flip` into `length` bytes. */
export function flipBytes(src: usize, dst: usize, length: i32, flip: i32): void {
  for (let i = 0; i < length; i++) store<u8>(dst + <usize>i, load<u8>(src + <usize>i) ^ (<u8>flip));
}
