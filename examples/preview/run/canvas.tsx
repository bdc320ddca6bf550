// Pixels on the page.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Shown } from "./picture-data.ts";
import type { InputView } from "./run-data.ts";

/** A canvas with exactly these pixels; its size on the page is the style sheet's. */
export function Pixels({
  shown,
  name,
  className,
}: {
  shown: Shown;
  /** Says what it shows; "" where text beside it does. */
  name: string;
  className: string;
}): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height, rgba } = shown;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    context?.putImageData(new ImageData(rgba, width, height), 0, 0);
  }, [shown]);
  const role = name === "" ? { "aria-hidden": true } : { role: "img" as const, "aria-label": name };
  // Few pixels are looked at one by one, many as a picture.
  const look = Math.max(width, height) < 128 ? `${className} coarse` : className;
  return <canvas ref={canvas} class={look} width={width} height={height} {...role} />;
}

/** An input's bytes as pixels again: what the model sees. */
export function inputPixels({ shape, type }: InputView, bytes: Uint8Array): Shown {
  const [, height = 1, width = 1, channels = 1] = shape;
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  const sign = type === "int8" ? 0x80 : 0;
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < 3; c++)
      rgba[4 * i + c] = bytes[i * channels + (channels === 1 ? 0 : c)]! ^ sign;
  return { width, height, rgba };
}
