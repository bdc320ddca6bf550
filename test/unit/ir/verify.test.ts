// What verifyGraph demands of any graph, and what printGraph shows. Rules of single operators are in shapes.test.ts.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Tensor } from "../../../core-as/ir/graph.ts";
import { printGraph } from "../../../core-as/ir/print.ts";
import { accepts, graph, op, refuses, relu, tensor, x } from "../../helpers/make-graph.ts";

test("tensors", () => {
  const with1 = (change: Partial<Tensor>) => graph([{ ...x(), ...change }], [], [0], [0]);
  accepts(with1({}));
  refuses(with1({ shape: [1, -4] }), /dimension of -4/, { tensor: 0 });
  refuses(with1({ shape: [1, 0.5] }), /dimension of 0.5/, { tensor: 0 });
  refuses(with1({ shape: [65536, 65536] }), /4294967296 elements/, { tensor: 0 });
  refuses(with1({ shape: [1, 0] }), /empty/, { tensor: 0 });
  refuses(with1({ constant: new Uint8Array(3) }), /needs 128 bytes and has 3/, { tensor: 0 });
  const quant = (scales: number[], zeros: number, axis = 0) =>
    with1({
      quant: { scales: Float32Array.from(scales), zeroPoints: new Int32Array(zeros), axis },
    });
  refuses(quant([], 0), /0 scales/, { tensor: 0 });
  refuses(quant([1], 2), /2 zero points/, { tensor: 0 });
  refuses(quant([1, 2, 3], 3, 1), /dimension 1 of size 4/, { tensor: 0 });
  refuses(quant([NaN], 1), /scale of NaN/, { tensor: 0 });
  const g = with1({});
  g.tensors[0]!.id = 3;
  refuses(g, /position 0/, { tensor: 0 });
});

test("indices", () => {
  refuses(graph([x(), x()], [relu(0, 2)], [0], [1]), /writes tensor 2/);
  refuses(graph([x(), x()], [relu(-2, 1)], [0], [1]), /reads tensor -2/);
  refuses(graph([x(), x()], [relu(0, -1)], [0], [1]), /writes tensor -1/);
  refuses(graph([x()], [], [1], [0]), /graph input 1/, {});
  refuses(graph([x()], [], [0], [NaN]), /graph output NaN/, {});
  refuses(graph([x()], [], [0, 0], [0]), /twice/, { tensor: 0 });
  refuses(graph([x()], [], [0], [0, 0]), /twice/, { tensor: 0 });
  accepts(graph([x(), x()], [op("SVDF", [0, -1], [1])], [0], [1]));
  const g = graph([x(), x()], [relu(0, 1)], [0], [1]);
  g.ops[0]!.customName = "name";
  refuses(g, /must not have/);
});

test("data flow", () => {
  accepts(graph([x(), x(), x()], [relu(0, 1), relu(1, 2)], [0], [2, 1]));
  const constant = tensor([4], { value: "zeros" });
  accepts(graph([constant], [], [], [0]));

  refuses(
    graph([x(), x()], [relu(0, 1)], [], [1]),
    /operator 0 \(RELU\) reads tensor 0 "t", which nobody writes/,
  );
  refuses(graph([x(), x()], [], [0], [1]), /written by nobody/, { tensor: 1 });
  refuses(graph([x(), x()], [relu(0, 1), relu(0, 1)], [0], [1]), /as operator 0 \(RELU\) does/, {
    op: 1,
    tensor: 1,
  });
  refuses(graph([x(), x()], [op("SPLIT_V", [0], [1, 1])], [0], [1]), /as operator 0/);
  refuses(graph([x(), constant], [relu(0, 1)], [0], [1]), /a constant/);
  refuses(graph([x(), x()], [relu(0, 1)], [0, 1], [1]), /a graph input/);
  refuses(graph([constant], [], [0], [0]), /is a constant/, { tensor: 0 });
});

test("order and cycles", () => {
  refuses(
    graph([x(), x(), x()], [relu(1, 2), relu(0, 1)], [0], [2]),
    /operator 0 \(RELU\) reads tensor 1 "t" before operator 1 \(RELU\) writes it: the operators are in the wrong order/,
  );
  refuses(graph([x(), x()], [relu(1, 1)], [0], [1]), /cycle/);
  refuses(graph([x(), x(), x()], [relu(2, 1), relu(1, 2)], [0], [2]), /cycle/);
  const long = Array.from({ length: 3000 }, (_, i) => relu(i, i + 1));
  long[0] = relu(3000, 1);
  refuses(graph(Array.from({ length: 3001 }, x), long, [], [3000]), /operator 0 .*cycle/);
});

test("empty tensors name tensor and operator", () => {
  refuses(
    graph([tensor([1, 0, 4]), x()], [relu(0, 1)], [0], [1]),
    /operator 0 \(RELU\) uses tensor 0 "t", which is empty/,
    { op: 0, tensor: 0 },
  );
});

test("printGraph", () => {
  const g = graph(
    [
      { ...tensor([1, 4], { scales: [0.1] }), name: "in\n" },
      { ...tensor([4], { value: [1, 2, 3, 4] }), name: "w".repeat(80) },
      { ...tensor([1, 4], { scales: [1, 2, 3, 4], axis: 1 }), name: "out" },
    ],
    [
      {
        ...op("CUSTOM", [0, -1, 1], [2], { newShape: [1, 4], beta: 0.5 }),
        customName: "My_Op",
        customOptions: new Uint8Array(3),
      },
    ],
    [0],
    [2],
  );
  assert.is(
    printGraph(g),
    [
      'graph "g": 3 tensors, 1 operators',
      '  input  %0 uint8 [1, 4] scale 0.100000001 zero 0 "in\\n"',
      `  const  %1 int32 [4] 16 bytes "${"w".repeat(57)}..."`,
      '  0: %2 = CUSTOM "My_Op" v1(%0, -, %1) {newShape: [1, 4], beta: 0.5} 3 bytes of options',
      '         %2 uint8 [1, 4] scale 1..4 zero 0 over dimension 1 "out"',
      "  output %2",
      "",
    ].join("\n"),
  );
});

test.run();
