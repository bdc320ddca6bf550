// The stream that initialises an NPU, submitted on its own and without buffers before the first job (spec/uapi.md 5).
// SPDX-License-Identifier: MIT

/** PA_SYSTEM_MODE := 0x11, GL_API_MODE := 2 (OpenCL), between padding. */
export const INIT_STREAM: readonly number[] = [
  0, 0, 0, 0, 0, 0, 0, 0, 0x0801028a, 0x00000011, 0x08010e13, 0x00000002, 0, 0,
];
