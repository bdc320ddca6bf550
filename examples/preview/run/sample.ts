// Pictures and labels that come with the page, for the model that they belong to.
// SPDX-License-Identifier: MIT
import { sha256Hex, TransportError } from "../../../core-as/index.ts";
import type { RunInfo } from "./run-data.ts";
import { readLabels, type Labels } from "./run-state.ts";

const fileOf = (name: string): string => String(new URL(`sample/${name}`, document.baseURI));

export const SAMPLE_PICTURES = ["three.png", "seven.png", "eight.png"].map((name) => ({
  name,
  url: fileOf(name),
}));

async function fetchFile(name: string): Promise<Blob> {
  const response = await fetch(fileOf(name));
  if (!response.ok)
    throw new TransportError(
      "TW_IO_NOT_FOUND",
      `${name} could not be loaded: HTTP ${response.status}`,
    );
  return response.blob();
}

export const samplePicture = (name: string): Promise<Blob> => fetchFile(name);

/** True for the sample model and its executables; false where browsers do not compute digests (pages without encryption). */
export async function isSample({ inputs, sha256 }: RunInfo): Promise<boolean> {
  if (inputs[0]?.shape.join() !== "1,28,28,1" || !isSecureContext) return false;
  const model = await (await fetchFile("digits.tflite")).arrayBuffer();
  return (await sha256Hex(new Uint8Array(model))) === sha256;
}

export async function sampleLabels(): Promise<Labels> {
  const blob = await fetchFile("labels.txt");
  return readLabels(new File([blob], "labels.txt"));
}
