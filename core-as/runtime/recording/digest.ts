// Names of contents and executables in recordings: SHA-256.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../errors.ts";
import { serialiseExecutable } from "../../executable/container.ts";
import type { Executable } from "../../executable/executable.ts";
import { sha256Hex } from "../../executable/bytes.ts";

/** @throws TransportError TW_IO_RECORD where the host has no Web Cryptography */
export function requireDigests(): void {
  if (globalThis.crypto?.subtle === undefined)
    throw new TransportError(
      "TW_IO_RECORD",
      "recordings need Web Cryptography, which pages have in secure contexts only (https or localhost)",
    );
}

/**
 * SHA-256 of an executable's file, hexadecimal.
 * @throws GraphError when its graph cannot be written
 */
export async function executableDigest(executable: Executable): Promise<string> {
  return sha256Hex(serialiseExecutable(executable));
}
