// The worker's end: answers with a service of its own.
// SPDX-License-Identifier: MIT
import { expose, type Endpoint } from "comlink";
import { CompilerService } from "./service.ts";
import { carryErrors, endpointOf, type WorkerEndpoint } from "./wrap.ts";

/**
 * In a worker: answers the calls of `wrapCompiler`.
 * @param endpoint default: the worker's own scope; in Node give `parentPort` of node:worker_threads
 * @param service what answers; default: a new CompilerService
 */
export function exposeCompiler(
  endpoint: WorkerEndpoint = globalThis as unknown as Endpoint,
  service: CompilerService = new CompilerService(),
): void {
  carryErrors();
  expose(service, endpointOf(endpoint));
}
