// Comlink ships the types of its adapter for Node beside another build of it.
// SPDX-License-Identifier: MIT
declare module "comlink/dist/esm/node-adapter.mjs" {
  export { default } from "comlink/dist/esm/node-adapter";
}
