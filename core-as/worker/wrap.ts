// Carries the compiler across threads: comlink does the calls, this file the ends and the errors. Loads nothing of the compiler: a page
// that has it in a worker does without.
// SPDX-License-Identifier: MIT
import { transferHandlers, wrap, type Endpoint, type Remote } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { isErrorCode, NpuError, reviveError, type NpuErrorOptions } from "../errors.ts";
import type { CompilerService } from "./service.ts";

/** Worker and MessagePort of Node, which speak of events in their own way. */
export interface NodeWorkerEndpoint {
  postMessage(message: unknown, transfer?: readonly never[]): void;
  on(event: "message", listener: (value: unknown) => void): unknown;
  off(event: "message", listener: (value: unknown) => void): unknown;
}

/** One end of a channel: a Worker, a MessagePort or a worker's own scope, of a browser or of Node. */
export type WorkerEndpoint = Endpoint | NodeWorkerEndpoint;

/**
 * Outside of the worker: its service, with every method asynchronous. Listeners must be wrapped by `proxy`; bytes are copied unless they are
 * wrapped by `transfer`. Errors arrive as NpuError in the class of their code.
 * @param worker the worker, or the port that it was exposed on
 */
export function wrapCompiler<S extends CompilerService = CompilerService>(
  worker: WorkerEndpoint,
): Remote<S> {
  carryErrors();
  return wrap<S>(endpointOf(worker));
}

export function endpointOf(endpoint: WorkerEndpoint): Endpoint {
  return "on" in endpoint ? nodeEndpoint(endpoint as Parameters<typeof nodeEndpoint>[0]) : endpoint;
}

/** What is left of an NpuError between two threads. */
interface CarriedError extends NpuErrorOptions {
  message: string;
  stack: string | undefined;
  /** Text of the cause, whatever it was. */
  cause: string | undefined;
}

interface Thrown {
  value: unknown;
}

let carriesErrors = false;

/** Comlink would make a plain Error of whatever is thrown; ours keep class, code and place. */
export function carryErrors(): void {
  if (carriesErrors) return;
  carriesErrors = true;
  const plain = transferHandlers.get("throw")!;
  transferHandlers.set("throw", {
    canHandle: (value): value is unknown => plain.canHandle(value),
    serialize: (thrown) => {
      const { value } = thrown as Thrown;
      return value instanceof NpuError
        ? [{ npuError: carriedOf(value) }, []]
        : plain.serialize(thrown);
    },
    deserialize: (thrown) => {
      const carried = (thrown as { npuError?: CarriedError }).npuError;
      if (carried === undefined) return plain.deserialize(thrown);
      throw arrivedOf(carried);
    },
  });
}

function carriedOf({ message, code, stage, where, stack, cause }: NpuError): CarriedError {
  const text = cause === undefined ? undefined : String(cause);
  return { message, code, stage, where, stack, cause: text };
}

/** A code of another build, which cannot happen unless page and worker are of different ones, is a bug's. */
function arrivedOf({ message, stack, code, ...rest }: CarriedError): NpuError {
  const error = reviveError(message, { code: isErrorCode(code) ? code : "TW_BUG", ...rest });
  if (stack !== undefined) error.stack = stack;
  return error;
}
