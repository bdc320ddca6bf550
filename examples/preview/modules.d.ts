// Modules that the build makes.
// SPDX-License-Identifier: MIT

declare module "preview:worker" {
  /** Address of the worker's script. */
  const url: string;
  export default url;
}
