// Files for the reader, made in the page.
// SPDX-License-Identifier: MIT

/**
 * Lets the browser save a file.
 * @param parts its contents, one behind the other
 * @param type e.g. "text/html"
 */
export function saveFile(
  name: string,
  parts: readonly (Uint8Array | string)[],
  type: string,
): void {
  const url = URL.createObjectURL(new Blob(parts as BlobPart[], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has begun to read it by then; a click gives no sign of its end.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** "digits.tflite" -> "digits" */
export const stemOf = (name: string): string => name.replace(/\.(tflite|twx)$/i, "");
