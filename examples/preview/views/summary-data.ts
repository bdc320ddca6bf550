// The figures of the summary in words: what is none, what is not known, what is how much.
// SPDX-License-Identifier: MIT
import type { CompileReport } from "../../../core-as/index.ts";
import { amountText, bytesText, grouped, percentText, plural } from "../shell/format.ts";
import { compressionOf } from "./compression.ts";

export interface Figure {
  title: string;
  value: string;
  note: string;
  /** Share of the NPU, 0..1, where a bar shows it. */
  share?: number;
}

/** All figures but the predicted time. */
export function figuresOf(report: CompileReport): Figure[] {
  return [arithmetic(report), memory(report), coefficients(report), jobs(report), work(report)];
}

function arithmetic({ totals }: CompileReport): Figure {
  const { macs, macsOnNpu, npuMacShare } = totals;
  const title = "Arithmetic on the NPU";
  const operators = `${grouped(totals.operatorsOnNpu)} of ${plural(totals.operators, "operator")}`;
  if (macs === 0)
    return { title, value: "none", note: `the model has no multiply-accumulates; ${operators}` };
  const amounts = `${amountText(macsOnNpu)} of ${amountText(macs)} multiply-accumulates`;
  return {
    title,
    value: percentText(npuMacShare),
    note: `${amounts}; ${operators}`,
    share: npuMacShare,
  };
}

function memory({ totals }: CompileReport): Figure {
  const { coefficientBytes, peakTensorBytes, tensorBytes, reuse } = totals;
  const saved =
    reuse < 1 ? `; sharing keeps ${percentText(reuse)} of ${bytesText(tensorBytes)}` : "";
  return {
    title: "Memory at its peak",
    value: bytesText(peakTensorBytes + coefficientBytes),
    note: `${bytesText(peakTensorBytes)} of tensors${saved}; ${bytesText(coefficientBytes)} of coefficients`,
  };
}

function coefficients(report: CompileReport): Figure {
  const title = "Coefficients";
  const compression = compressionOf(report.jobs);
  if (compression !== null) {
    const { ratio, bitsPerWeight, bytes, weights } = compression;
    const bits = `${bitsPerWeight.toFixed(2)} bits a weight, headers included`;
    return {
      title,
      value: percentText(ratio),
      note: `of a byte for each weight: ${bits}, ${bytesText(bytes)} for ${amountText(weights)} weights`,
    };
  }
  return report.totals.coefficientBytes > 0
    ? { title, value: "unknown", note: "their format depends on the chip, which is not known" }
    : { title, value: "none", note: "no NN job has any" };
}

function jobs({ jobs: all, totals }: CompileReport): Figure {
  const nn = all.filter(({ kind }) => kind === "NN").length;
  const cores = `${grouped(nn)} on NN cores, ${grouped(all.length - nn)} on TP cores`;
  return {
    title: "Jobs",
    value: grouped(all.length),
    note: `${cores}, in ${plural(totals.partitions, "submit")}`,
  };
}

function work({ totals }: CompileReport): Figure {
  const title = "Multipliers at work";
  if (totals.predictedMs === null)
    return {
      title,
      value: "unknown",
      note: "the traffic with DRAM is not predicted for this chip, either",
    };
  return {
    title,
    value: percentText(totals.utilisation),
    note: `${bytesText(totals.dramBytes)} from and to DRAM; caches save ${bytesText(totals.cachedBytes)}`,
  };
}

/** Where the operators are, in one line. */
export function placesText({ operators, operatorsOnNpu }: CompileReport["totals"]): string {
  if (operators === 0) return "This model has no operators";
  if (operatorsOnNpu === operators) return "Every operator runs on the NPU";
  if (operatorsOnNpu === 0) return "Nothing of this model runs on the NPU";
  return `${plural(operators - operatorsOnNpu, "operator")} on the CPU`;
}

/** The facts about the target that are known. */
export function targetFacts({
  target,
  system,
  producer,
  model,
}: CompileReport): [name: string, value: string][] {
  const { nnCores, nnCoreVersion, tpCores } = target;
  const facts: [string, string][] = [
    ["Part", target.part],
    ["Evidence", target.evidence],
    ["Cores", nnCores === 0 ? "" : `${nnCores} NN (version ${nnCoreVersion}), ${tpCores} TP`],
    ["Clock", `${system.clockMHz} MHz`],
    ["DRAM", `${system.bandwidthGBs} GB/s`],
    ["Starting a job", `${system.overheadUs} µs`],
    ["Figures", system.evidence],
    ["Compiler", producer],
    ["Model", model.description === "" ? model.name : model.description],
    ["SHA-256", model.sha256 === "" ? "unknown" : `${model.sha256.slice(0, 16)}…`],
  ];
  return facts.filter(([, value]) => value !== "");
}
