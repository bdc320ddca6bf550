// Where tensors of a partition lie: every tensor is a node, and a node can lie inside another one.
// SPDX-License-Identifier: MIT
import type { BufferRef, TensorBuffer } from "../jobs.ts";

interface Node {
  bytes: number;
  parent: number | null;
  /** Bytes from the start of the parent. */
  offset: number;
}

/** A forest of tensors; its roots become buffers. */
export class Placement {
  private readonly nodes: Node[] = [];
  private readonly buffers = new Map<number, TensorBuffer>();

  /** A new tensor of `bytes` bytes, lying on its own until attached. */
  add(bytes: number): number {
    return this.nodes.push({ bytes, parent: null, offset: 0 }) - 1;
  }

  /** A new tensor that is a piece of `parent`. */
  addPiece(bytes: number, parent: number, offset: number): number {
    return this.nodes.push({ bytes, parent, offset }) - 1;
  }

  /** True while the tensor lies on its own and so can still be attached. */
  isFree(node: number): boolean {
    return this.nodes[node]!.parent === null;
  }

  /** True for a tensor that was put into `parent` itself. */
  isIn(node: number, parent: number): boolean {
    return this.nodes[node]!.parent === parent;
  }

  /** Puts a free tensor inside another one. */
  attach(node: number, parent: number, offset: number): void {
    this.nodes[node]!.parent = parent;
    this.nodes[node]!.offset = offset;
  }

  bytesOf(node: number): number {
    return this.nodes[node]!.bytes;
  }

  /** Buffer and offset of a tensor; call it when nothing is attached any more. Buffers count up by first use. */
  resolve(node: number): BufferRef {
    let offset = 0;
    let root = node;
    for (let { parent } = this.nodes[root]!; parent !== null; { parent } = this.nodes[root]!) {
      offset += this.nodes[root]!.offset;
      root = parent;
    }
    let buffer = this.buffers.get(root);
    if (buffer === undefined) {
      buffer = { id: this.buffers.size, bytes: this.nodes[root]!.bytes };
      this.buffers.set(root, buffer);
    }
    return { buffer, offset, bytes: this.nodes[node]!.bytes };
  }

  allBuffers(): TensorBuffer[] {
    return [...this.buffers.values()];
  }
}
