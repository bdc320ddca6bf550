// What the host does when instances share the work of a submit (share.ts): an import of the module.
// SPDX-License-Identifier: MIT

/** Gives the others `bytes` bytes at `ptr`, which lie `at` bytes behind the first one of the job's output. */
export declare function publish(at: usize, ptr: usize, bytes: usize): void;

/** Waits until all have published. */
export declare function meet(): void;

/** Takes bytes that another one has published. */
export declare function collect(at: usize, ptr: usize, bytes: usize): void;
