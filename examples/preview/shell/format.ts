// Numbers for people; the same on every host.
// SPDX-License-Identifier: MIT

/** 1234567 -> "1,234,567". */
export const grouped = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");

/** Bytes: "512 B", "12.3 KiB", "4.10 MiB". */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kibi = bytes / 1024;
  return kibi < 1024 ? `${kibi.toFixed(1)} KiB` : `${(kibi / 1024).toFixed(2)} MiB`;
}

/** Amounts of arithmetic: "812", "3.51 k", "568.7 M", "1.20 G". */
export function amountText(value: number): string {
  const units = ["", " k", " M", " G", " T"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  if (unit === 0) return String(Math.round(value));
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)}${units[unit]}`;
}

export const msText = (ms: number): string => `${ms < 0.1 ? ms.toFixed(3) : ms.toFixed(2)} ms`;

/** A share of 0..1. */
export const percentText = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** A change with its sign: "+12.5 %", "−3.0 %", "0.0 %". */
export function changeText(now: number, before: number): string {
  if (before === 0) return now === 0 ? "0.0 %" : "new";
  const change = (now / before - 1) * 100;
  const digits = Math.abs(change).toFixed(1);
  return `${digits === "0.0" ? "" : change > 0 ? "+" : "−"}${digits} %`;
}

export const plural = (count: number, word: string): string =>
  `${grouped(count)} ${word}${count === 1 ? "" : "s"}`;

/** The end of a long name says more than its start. */
export const endOf = (text: string, length: number): string =>
  text.length <= length ? text : `…${text.slice(text.length - length + 1)}`;

/** Sizes of a tensor or an image: "1×28×28×1". */
export const sizesText = (sizes: readonly number[]): string =>
  sizes.length === 0 ? "scalar" : sizes.join("×");
