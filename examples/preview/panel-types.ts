// What a panel of the preview gets from the page around it.
// SPDX-License-Identifier: MIT
import type { Remote } from "comlink";
import type { CompileMode, CompileReport, PassTiming } from "../../core-as/index.ts";
import type { WorkerCompileOptions } from "../../core-as/worker/index.ts";
import type { PreviewService } from "./service.ts";

/** One compilation, or an executable that was opened, as the page keeps it. */
export interface Compiled {
  /** Name under which the worker holds the executable: `service.view(name, { key })`. */
  key: string;
  /** Name of the file without its folder. */
  name: string;
  /** model: compiled here; twx: opened as it is. */
  kind: "model" | "twx";
  /** Target name. */
  chip: string;
  mode: CompileMode;
  /** Bytes of the executable. */
  twx: Uint8Array;
  report: CompileReport;
  /** What the compiler was told; undefined for an executable that was opened. */
  options?: WorkerCompileOptions;
  /** Time of each pass; empty for an executable that was opened. */
  timings: PassTiming[];
}

/** What is selected on the page, the same for all panels. */
export interface Selection {
  op?: number;
  partition?: number;
  job?: number;
}

export interface PanelProps {
  compiled: Compiled;
  service: Remote<PreviewService>;
  selection: Selection;
  select(selection: Selection): void;
}
