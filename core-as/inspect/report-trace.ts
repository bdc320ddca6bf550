// The predicted time line as Chrome trace events, for Perfetto and about:tracing.
// SPDX-License-Identifier: MIT
import type { JobReport } from "./report-jobs.ts";
import type { CompileReport } from "./report.ts";

type TraceEvent = Readonly<Record<string, unknown>>;

const THREADS = { operators: 1, NN: 2, TP: 3 } as const;

/**
 * Events of the format that chrome://tracing defined: one process for each compilation, with a track for operators and one for
 * each unit; time stamps in microseconds. Jobs follow each other, or overlap where the stream lets them; work on the CPU has no
 * time here.
 * @returns JSON text
 */
export function reportTrace(report: CompileReport): string {
  const { target, mode, against, system, model } = report;
  const processes = [
    { name: `predicted: ${target.name}, ${mode}`, jobs: report.jobs },
    ...(against ? [{ name: `predicted: ${against.name}`, jobs: against.jobs }] : []),
  ];
  return JSON.stringify({
    displayTimeUnit: "ms",
    otherData: {
      model: model.name,
      target: target.name,
      evidence: "predicted",
      calibrationError: system.error,
      overheadUs: system.overheadUs,
    },
    traceEvents: processes.flatMap(({ name, jobs }, i) => processEvents(i + 1, name, jobs)),
  });
}

function processEvents(pid: number, name: string, jobs: readonly JobReport[]): TraceEvent[] {
  const named = (what: string, text: string, tid?: number): TraceEvent => ({
    ph: "M",
    pid,
    ...(tid === undefined ? {} : { tid }),
    name: what,
    args: { name: text },
  });
  const events: TraceEvent[] = [
    named("process_name", name),
    named("thread_name", "operators", THREADS.operators),
    named("thread_name", "NN cores", THREADS.NN),
    named("thread_name", "TP cores", THREADS.TP),
  ];
  let now = 0;
  let shown = 0;
  const operators: { job: JobReport; start: number; end: number }[] = [];
  for (const job of jobs) {
    if (!job.prediction) continue;
    const start = job.prediction.startMs * 1e3;
    const end = start + job.prediction.ms * 1e3;
    const last = operators.at(-1);
    if (last?.job.sourceOp === job.sourceOp) last.end = Math.max(last.end, end);
    // One track cannot show two operators at a time: what begins during another one is shown behind it.
    else if (end > shown) operators.push({ job, start: Math.max(start, shown), end });
    shown = Math.max(shown, end);
    events.push(slice(pid, THREADS[job.kind], job.op, start, end, argumentsOf(job)));
    events.push(bandwidth(pid, start, job.prediction.dramBytes / ((end - start) * 1e3)));
    now = Math.max(now, end);
  }
  for (const { job, start, end } of operators) {
    const { sourceOp, sourceName, sourceTensor } = job;
    const args = { operator: sourceOp, tensor: sourceTensor };
    events.push(slice(pid, THREADS.operators, `#${sourceOp} ${sourceName}`, start, end, args));
  }
  return [...events, bandwidth(pid, now, 0)];
}

/** Sample of the counter: what the job from here on gets from and to DRAM. */
function bandwidth(pid: number, at: number, gigabytes: number): TraceEvent {
  const value = Number.isFinite(gigabytes) ? round(gigabytes) : 0;
  return { ph: "C", pid, name: "DRAM GB/s", ts: round(at), args: { value } };
}

const round = (value: number): number => Number(value.toFixed(3));

function slice(
  pid: number,
  tid: number,
  name: string,
  from: number,
  to: number,
  args: TraceEvent,
): TraceEvent {
  return {
    ph: "X",
    pid,
    tid,
    name,
    cat: "predicted",
    ts: round(from),
    dur: round(to - from),
    args,
  };
}

function argumentsOf({ partition, job, sourceOp, nn, prediction }: JobReport): TraceEvent {
  const { bound, cycles, dramBytes, utilisation, computeMs, memoryMs } = prediction!;
  return {
    job: `${partition}.${job}`,
    operator: sourceOp,
    bound,
    cycles,
    dramBytes,
    computeUs: round(computeMs * 1e3),
    memoryUs: round(memoryMs * 1e3),
    ...(nn
      ? {
          multiplierUtilisation: round(utilisation),
          tile: `${nn.tile.x}x${nn.tile.y}`,
          superblocks: nn.coefficients?.superblocks ?? 0,
          coefficientBytes: nn.coefficients?.bytes ?? 0,
        }
      : {}),
  };
}
