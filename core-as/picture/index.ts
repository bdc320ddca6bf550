// Pictures as inputs of models, without a decoder for PNG and JPEG: hosts bring theirs. Safe for browsers.
// SPDX-License-Identifier: MIT
export { decodeBmp } from "./bmp.ts";
export {
  checkPictureSize,
  MAX_PIXELS,
  pictureError,
  pictureFormat,
  readPictureHeader,
  type PictureHeader,
} from "./header.ts";
export {
  checkTakesPicture,
  pictureInput,
  takesPicture,
  withoutAlpha,
  type InputInfo,
} from "./input.ts";
export { resizeBilinear, toColour, toGrey, type Picture } from "./resize.ts";
