// What a reader chose, and its form in the address: a link restores the view, never the model.
// SPDX-License-Identifier: MIT
import { ACCURACIES, CHIPS, type Accuracy, type CompileMode } from "../../../core-as/index.ts";

export type Theme = "auto" | "light" | "dark";

/** What the compiler is told. */
export interface CompileChoices {
  chip: string;
  mode: CompileMode;
  exactRounding: boolean;
  capturedOnly: boolean;
  accuracy: Accuracy;
  /** compatible mode: emit what the reference driver emits even where it computes wrong results. */
  allowQuirks: boolean;
}

export interface Settings extends CompileChoices {
  tab: string;
  theme: Theme;
  /** Columns that tables are sorted by, descending behind a minus; "" = the order of the model. */
  opsBy: string;
  jobsBy: string;
}

/** Chip and mode as in the compiler, whose code a page does not load for them. */
export const DEFAULTS: Settings = {
  chip: "a311d",
  mode: "optimised",
  exactRounding: false,
  capturedOnly: false,
  accuracy: "balanced",
  allowQuirks: false,
  tab: "summary",
  theme: "auto",
  opsBy: "",
  jobsBy: "",
};

/** Allowed values; a switch has "0" and "1". */
const WORDS: { [K in keyof Settings]: (text: string) => Settings[K] | undefined } = {
  chip: (text) => CHIPS.find(({ name }) => name === text)?.name,
  mode: oneOf("optimised", "compatible"),
  exactRounding: flag,
  capturedOnly: flag,
  accuracy: oneOf(...ACCURACIES),
  allowQuirks: flag,
  tab: (text) => (/^[a-z][a-z-]*$/.test(text) ? text : undefined),
  theme: oneOf("auto", "light", "dark"),
  opsBy: column,
  jobsBy: column,
};

const NAMES = Object.keys(DEFAULTS) as (keyof Settings)[];

function oneOf<T extends string>(...words: T[]) {
  return (text: string): T | undefined => words.find((word) => word === text);
}

function flag(text: string): boolean | undefined {
  return text === "1" ? true : text === "0" ? false : undefined;
}

function column(text: string): string | undefined {
  return /^-?[a-z]+$/i.test(text) ? text : undefined;
}

/**
 * Reads the part of an address behind "#". What is unknown or not allowed is left at its default.
 * @param hash with or without "#"
 */
export function readHash(hash: string): Settings {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const settings: Settings = { ...DEFAULTS };
  const read = <K extends keyof Settings>(name: K): void => {
    const text = given.get(name);
    const value = text === null ? undefined : WORDS[name](text);
    if (value !== undefined) settings[name] = value;
  };
  NAMES.forEach(read);
  return settings;
}

/** The part of an address behind "#": what differs from the defaults; "" when nothing does. */
export function writeHash(settings: Settings): string {
  const chosen = new URLSearchParams();
  for (const name of NAMES) {
    const value = settings[name];
    if (value !== DEFAULTS[name])
      chosen.set(name, typeof value === "boolean" ? (value ? "1" : "0") : value);
  }
  return chosen.toString();
}

/** The members that a compilation depends on, as a key. */
export function choicesKey({ chip, mode, ...rest }: CompileChoices): string {
  const { exactRounding, capturedOnly, accuracy, allowQuirks } = rest;
  // Each mode has switches of its own.
  const own = mode === "optimised" ? [exactRounding, capturedOnly, accuracy] : [allowQuirks];
  return [chip, mode, ...own].join(" ");
}
