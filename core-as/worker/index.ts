// The compiler in a worker, for browsers and Node: `exposeCompiler` inside, `wrapCompiler` outside.
// SPDX-License-Identifier: MIT
export { proxy, releaseProxy, transfer, type Endpoint, type Remote } from "comlink";
export { createCacheStorageCache, type CacheStorageOptions } from "./cache-storage.ts";
export { exposeCompiler } from "./endpoint.ts";
export { webSimThreads } from "./sim-threads.ts";
export { wrapCompiler, type WorkerEndpoint } from "./wrap.ts";
export { serveSimThread } from "../runtime/threads/team.ts";
export {
  CompilerService,
  type CompilerServiceOptions,
  type WorkerCompileOptions,
  type WorkerCompileResult,
  type WorkerProgress,
} from "./service.ts";
