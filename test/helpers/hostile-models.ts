// Files that ask for far more memory than they have bytes: the same few bytes named over and over.
// SPDX-License-Identifier: MIT
import { rawFlat, type RawTable, type RawValue } from "./raw-flat.ts";

const MANY = 1_000_000;
const SOME = 2_000;

/** As many pointers to one table. */
function same(table: RawTable, count: number): RawValue {
  return { tables: Array<RawTable>(count).fill(table) };
}

function file(graph: RawTable, model: RawTable = {}): Uint8Array {
  return rawFlat({
    0: { i32: 3 },
    1: { tables: [{}] },
    2: { tables: [graph] },
    4: { tables: [{}] },
    ...model,
  });
}

const longText: RawValue = { text: "x".repeat(1 << 20) };
const manyInts: RawValue = { ints: Array<number>(250_000).fill(0) };
const plainTensor: RawTable = { 0: { ints: [1, 4] } };
const tensors: RawValue = { tables: [plainTensor] };

/** Tables that differ, but share the large values in them. */
function distinct(count: number, make: (i: number) => RawTable): RawValue {
  return { tables: Array.from({ length: count }, (_, i) => make(i)) };
}

/** Builders by name; each file is between 1 and 20 MB. */
export const HOSTILE_MODELS: Readonly<Record<string, () => Uint8Array>> = {
  "one tensor, a million times": () => file({ 0: same(plainTensor, MANY) }),
  "one quantised tensor, a million times": () =>
    file({ 0: same({ ...plainTensor, 4: { table: { 2: { floats: [1] } } } }, MANY) }),
  "one constant, a million times": () =>
    file(
      { 0: same({ 0: { ints: [4] }, 1: { i8: 3 }, 2: { i32: 1 } }, MANY) },
      { 4: { tables: [{}, { 0: { bytes: new Uint8Array(4) } }] } },
    ),
  "one operator, a million times": () =>
    file({ 0: tensors, 3: same({ 1: { ints: [0, 0] }, 2: { ints: [0] } }, MANY) }),
  "one operator code, a million times": () => file({ 0: tensors }, { 1: same({}, MANY) }),
  "one subgraph, a million times": () => file({}, { 2: same({ 4: { text: "s" } }, MANY) }),
  "one buffer, a million times": () =>
    file({ 0: tensors }, { 4: same({ 0: { bytes: new Uint8Array(4) } }, MANY) }),
  "a shared name": () =>
    file({ 0: distinct(SOME, (i) => ({ 2: { i32: 0 }, 3: longText, 8: { i8: i & 1 } })) }),
  "a shared subgraph name": () => file({}, { 2: distinct(SOME, () => ({ 4: longText })) }),
  "a shared custom name": () =>
    file({ 0: tensors }, { 1: distinct(SOME, () => ({ 0: { i8: 32 }, 1: longText })) }),
  "shared scales": () => {
    const quant: RawValue = {
      table: { 2: { floats: Array<number>(250_000).fill(1) }, 6: { i32: 0 } },
    };
    return file({ 0: distinct(SOME, () => ({ 0: { ints: [250_000] }, 1: { i8: 3 }, 4: quant })) });
  },
  "shared operator inputs": () =>
    file({ 0: tensors, 3: distinct(SOME, () => ({ 1: manyInts, 2: { ints: [0] } })) }),
  "a shared new shape": () => {
    const options: RawValue = { table: { 0: manyInts } };
    const op = () => ({ 1: { ints: [0] }, 2: { ints: [0] }, 3: { i8: 17 }, 4: options });
    return file({ 0: tensors, 3: distinct(SOME, op) }, { 1: { tables: [{ 0: { i8: 22 } }] } });
  },
  "the longest description": () => file({ 0: tensors }, { 3: { text: "é".repeat(8 << 20) } }),
  "a million graph inputs": () => file({ 0: tensors, 1: { ints: Array<number>(MANY).fill(0) } }),
  "a concatenation of a million": () =>
    file(
      {
        0: tensors,
        3: { tables: [{ 1: { ints: Array<number>(MANY).fill(0) }, 2: { ints: [0] } }] },
      },
      { 1: { tables: [{ 0: { i8: 2 } }] } },
    ),
};
