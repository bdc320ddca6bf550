// Files that a reader hands to the page.
// SPDX-License-Identifier: MIT
import { TransportError } from "../../../core-as/index.ts";

export interface Source {
  /** Without folders. */
  name: string;
  kind: "model" | "twx";
  bytes: Uint8Array;
}

/** First bytes of a .twx. */
const TWX = [0x89, 0x54, 0x57, 0x58];

/**
 * What a file is: a .twx by its first bytes or its name, anything else a model, whose reader says what is wrong with it.
 * @param bytes whole file
 */
export function sourceOf(name: string, bytes: Uint8Array): Source {
  const isTwx = /\.twx$/i.test(name) || TWX.every((byte, i) => bytes[i] === byte);
  return { name, kind: isTwx ? "twx" : "model", bytes };
}

/**
 * Reads a chosen, dropped or pasted file.
 * @throws DOMException when the browser cannot read it (any more)
 */
export async function readSource(file: File): Promise<Source> {
  return sourceOf(file.name, new Uint8Array(await file.arrayBuffer()));
}

/** The sample that comes with the page. */
export async function fetchSample(): Promise<Source> {
  const response = await fetch(new URL("sample/digits.tflite", document.baseURI));
  if (!response.ok)
    throw new TransportError(
      "TW_IO_NOT_FOUND",
      `the sample could not be loaded: HTTP ${response.status}`,
    );
  return sourceOf("digits.tflite", new Uint8Array(await response.arrayBuffer()));
}
