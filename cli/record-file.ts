// A recording as a file.
// SPDX-License-Identifier: MIT
import { open } from "node:fs/promises";
import { createRecordTransport, type Transport } from "../core-as/index.ts";
import { fileError } from "./files.ts";

/**
 * Wraps a transport so that a file gets what it does. Closing it closes the file, too.
 * @throws TransportError TW_IO_NOT_FOUND when the file cannot be made
 */
export async function openFileSink(
  inner: Transport,
  path: string,
): Promise<{ transport: Transport; close(): Promise<void> }> {
  const file = await open(path, "w").catch((cause: unknown) => {
    throw fileError("cannot write", path, cause);
  });
  const transport = createRecordTransport(inner, async (chunk) => {
    for (let at = 0; at < chunk.length;)
      at += (await file.write(chunk, at, chunk.length - at)).bytesWritten;
  });
  const close = async (): Promise<void> => {
    try {
      await transport.close();
    } finally {
      await file.close();
    }
  };
  return { transport, close };
}
