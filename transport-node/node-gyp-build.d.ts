// Types of the loader of native builds.
// SPDX-License-Identifier: MIT
declare module "node-gyp-build" {
  /** Loads the native build that lies in `folder`. */
  export default function loadBuild(folder: string): unknown;
}
