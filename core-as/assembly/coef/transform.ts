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
 * Folds a stride of two into the channels: [o][s][f][z] -> [o][4z + q][s'][f'] with q = 2 (s odd) + (f odd);
 * taps outside the kernel become `pad`.
 */
export function destrideWeights(
  src: usize,
  dst: usize,
  outC: i32,
  kS: i32,
  kF: i32,
  inC: i32,
  pad: i32,
  flip: i32,
): void {
  const halfS = (kS + 1) >> 1;
  const halfF = (kF + 1) >> 1;
  for (let o = 0; o < outC; o++, src += <usize>(kS * kF * inC)) {
    for (let plane = 0; plane < inC * 4; plane++) {
      const z = plane >> 2;
      for (let s2 = 0; s2 < halfS; s2++) {
        const s = 2 * s2 + ((plane >> 1) & 1);
        for (let f2 = 0; f2 < halfF; f2++, dst++) {
          const f = 2 * f2 + (plane & 1);
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
