// Colours that tell classes apart; names stand beside them everywhere.
// SPDX-License-Identifier: MIT

/** Red, green, blue of a class: hues by the golden angle, so that neighbours differ. */
export function classColour(index: number): [number, number, number] {
  const hue = (index * 137.508 + 200) % 360;
  const light = 0.5 + 0.08 * (index % 3);
  const channel = (n: number): number => {
    const k = (n + hue / 30) % 12;
    const a = 0.75 * Math.min(light, 1 - light);
    return Math.round(255 * (light - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

export const cssColour = (index: number): string => `rgb(${classColour(index).join(" ")})`;
