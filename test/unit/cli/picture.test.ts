// Pictures: three formats, their damage, and resizing against the corpus' reference pictures.
// SPDX-License-Identifier: MIT
import { existsSync, readdirSync } from "node:fs";
import { decode as decodeElsewhere, encode as encodeElsewhere } from "fast-bmp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodePicture } from "../../../cli/picture.ts";
import { resizeBilinear, toColour, toGrey, type Picture } from "../../../core-as/picture/index.ts";
import { NpuError } from "../../../core-as/errors.ts";
import { corpusBytes, corpusJson, corpusPath, needCorpus } from "../../helpers/corpus.ts";
import { pngOf } from "../../helpers/png.ts";

const WIDTH = 5;
const HEIGHT = 3;
/** Red rises along x, green along y. */
const PIXELS = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => {
  const pixel = Math.floor(i / 3);
  return [40 * (pixel % WIDTH), 80 * Math.floor(pixel / WIDTH), 200][i % 3]!;
});

function bmp(bits: 24 | 32, topDown: boolean): Uint8Array {
  const rowBytes = Math.ceil((WIDTH * bits) / 32) * 4;
  const bytes = new Uint8Array(54 + rowBytes * HEIGHT);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, 54, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, WIDTH, true);
  view.setInt32(22, topDown ? -HEIGHT : HEIGHT, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, bits, true);
  for (let row = 0; row < HEIGHT; row++)
    for (let column = 0; column < WIDTH; column++)
      for (let c = 0; c < 3; c++) {
        const line = topDown ? row : HEIGHT - 1 - row;
        bytes[54 + line * rowBytes + (column * bits) / 8 + 2 - c] =
          PIXELS[(row * WIDTH + column) * 3 + c]!;
      }
  return bytes;
}

function bmpGrey(): Uint8Array {
  const bytes = new Uint8Array(54 + 1024 + 4 * 2);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  view.setUint32(10, 54 + 1024, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, 2, true);
  view.setInt32(22, 2, true);
  view.setUint16(28, 8, true);
  // An inverted palette: index i is the grey 255 - i.
  for (let i = 0; i < 256; i++) bytes.fill(255 - i, 54 + 4 * i, 54 + 4 * i + 3);
  bytes.set([1, 2, 0, 0, 3, 4, 0, 0], 54 + 1024);
  return bytes;
}

const png = (): Uint8Array => pngOf(WIDTH, HEIGHT, PIXELS, 3);

/** 16 x 8 pixels: red = 2 * index, green = 16 * column, blue = 200; quality 95. */
const JPEG = Uint8Array.from(
  Buffer.from(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wCEAAICAgICAgICAgIDAwIDAwQDAwMDBAYEBAQEBAYJBQYFBQYF" +
      "CQgJBwcHCQgOCwkJCw4QDQwNEBMRERMYFxgfHyoBAgICAgICAgICAgMDAgMDBAMDAwMEBgQEBAQEBgkF" +
      "BgUFBgUJCAkHBwcJCA4LCQkLDhANDA0QExERExgXGB8fKv/CABEIAAgAEAMBEQACEQEDEQH/xAAoAAEB" +
      "AAAAAAAAAAAAAAAAAAAICQEBAQAAAAAAAAAAAAAAAAAACAf/2gAMAwEAAhADEAAAADY9afUAlkn/xAAZ" +
      "EAABBQAAAAAAAAAAAAAAAAAHACQ0QVH/2gAIAQEAAT8AEgojNspCQURm2Uv/xAAZEQABBQAAAAAAAAAA" +
      "AAAAAAAGACMzQVH/2gAIAQIBAT8AMzGV3bRmYyu7a//EABoRAAAHAAAAAAAAAAAAAAAAAAAGCCQzQlH/" +
      "2gAIAQMBAT8AOibZmG1B0TbMw2o//9k=",
    "base64",
  ),
);

async function refused(bytes: Uint8Array, pattern: RegExp): Promise<void> {
  try {
    await decodePicture(bytes);
  } catch (error) {
    assert.instance(error, NpuError);
    assert.is((error as NpuError).code, "TW_IO_PICTURE");
    assert.match((error as NpuError).message, pattern);
    return;
  }
  assert.unreachable(`a picture that must be refused (${pattern}) was decoded`);
}

function withWord(bytes: Uint8Array, at: number, value: number, little: boolean): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint32(at, value, little);
  return copy;
}

test("BMP with 24 and 32 bits, bottom-up and top-down, and with a palette", async () => {
  for (const bits of [24, 32] as const)
    for (const topDown of [false, true]) {
      const picture = await decodePicture(bmp(bits, topDown));
      assert.equal(picture, { width: WIDTH, height: HEIGHT, channels: 3, pixels: PIXELS });
    }
  const grey = await decodePicture(bmpGrey());
  assert.equal([...toGrey(grey).pixels], [252, 251, 254, 253]);
});

/** Pixels of any kind for the other implementation's encoder. */
function noise(width: number, height: number, channels: number, bits: 1 | 8 | 24 | 32) {
  let state = width * 31 + height * 7 + bits;
  const data = Uint8Array.from({ length: width * height * channels }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return bits === 1 ? state >>> 31 : state >>> 24;
  });
  const components = channels === 4 ? 3 : channels;
  return { width, height, channels, components, bitsPerPixel: bits, data };
}

test("BMP files of another implementation are read as it reads them", async () => {
  for (const [bits, channels] of [
    [1, 1],
    [8, 1],
    [24, 3],
    [32, 4],
  ] as const)
    for (const width of [1, 2, 3, 7, 31, 32, 33, 65])
      for (const height of [1, 2, 5]) {
        const file = encodeElsewhere(noise(width, height, channels, bits));
        const data = decodeElsewhere(file).data as Uint8Array;
        const picture = await decodePicture(file);
        const want = Array.from({ length: width * height }, (_, i) =>
          [0, 1, 2].map((c) =>
            bits === 1 ? 255 * data[i]! : data[i * channels + (channels === 1 ? 0 : c)]!,
          ),
        ).flat();
        assert.equal([...picture.pixels], want, `${bits} bits, ${width} x ${height}`);
      }
});

test("other colour masks are refused", async () => {
  const file = encodeElsewhere(noise(3, 2, 4, 32));
  assert.is((await decodePicture(withWord(file, 30, 3, true))).pixels.length, 18);
  await refused(withWord(withWord(file, 30, 3, true), 54, 0xff, true), /colour mask 0xff/);
});

test("PNG", async () => {
  const picture = await decodePicture(png());
  assert.equal(picture, { width: WIDTH, height: HEIGHT, channels: 3, pixels: PIXELS });
});

test("JPEG", async () => {
  const { width, height, pixels } = await decodePicture(JPEG);
  assert.equal([width, height], [16, 8]);
  for (let i = 0; i < 128; i++) {
    assert.ok(Math.abs(pixels[3 * i]! - 2 * i) <= 6);
    assert.ok(Math.abs(pixels[3 * i + 1]! - 16 * (i % 16)) <= 6);
    assert.ok(Math.abs(pixels[3 * i + 2]! - 200) <= 6);
  }
});

test("damaged pictures are refused, with a reason", async () => {
  await refused(new Uint8Array(0), /neither/);
  await refused(bmp(24, false).slice(0, 40), /BMP header is cut off/);
  await refused(bmp(24, false).slice(0, 90), /needs 102 bytes, the file has 90/);
  await refused(withWord(bmp(24, false), 28, 16, true), /16 bits/);
  await refused(withWord(bmp(24, false), 30, 1, true), /compression 1/);
  await refused(withWord(bmp(24, false), 18, 0, true), /0 x 3/);
  await refused(withWord(bmp(24, false), 22, 0x80000000, true), /more than the limit/);
  await refused(
    withWord(bmp(24, false), 10, 53, true),
    /begin at byte 53, inside of its 54 header/,
  );
  await refused(withWord(bmpGrey(), 46, 300, true), /palette/);
  await refused(png().slice(0, 20), /PNG header is cut off/);
  await refused(withWord(png(), 16, 100000, false), /PNG is damaged or cut off|limit/);
  await refused(withWord(withWord(png(), 16, 65536, false), 20, 65536, false), /limit/);
  await refused(JPEG.slice(0, 60), /no frame header/);
  await refused(JPEG.slice(0, -2), /JPEG is cut off/);
});

test("no cut and no flipped byte of a PNG or JPEG gets past the errors", async () => {
  for (const bytes of [png(), JPEG])
    for (let at = 1; at < bytes.length; at += 7) {
      const flipped = bytes.slice();
      flipped[at]! ^= 0x40;
      for (const broken of [bytes.slice(0, at), flipped])
        try {
          const { width, height, pixels } = await decodePicture(broken);
          assert.is(pixels.length, width * height * 3);
        } catch (error) {
          assert.instance(error, NpuError);
        }
    }
  assert.equal((await decodePicture(png())).pixels, PIXELS);
});

test("resizing to the same size changes nothing; grey stays grey", () => {
  const picture: Picture = { width: WIDTH, height: HEIGHT, channels: 3, pixels: PIXELS };
  assert.equal(resizeBilinear(picture, WIDTH, HEIGHT), picture);
  const grey: Picture = { width: 2, height: 1, channels: 1, pixels: Uint8Array.of(0, 100) };
  assert.equal([...resizeBilinear(grey, 4, 1).pixels], [0, 25, 75, 100]);
  assert.equal(toGrey(toColour(grey)), grey);
});

if (needCorpus("reference pictures"))
  for (const model of readdirSync(corpusPath("reference-pictures")))
    for (const name of readdirSync(corpusPath("reference-pictures", model)))
      test(`resized as the reference: ${model} ${name}`, async () => {
        const folder = ["reference-pictures", model, name];
        assert.ok(existsSync(corpusPath("models", `${name}.bmp`)));
        const { input } = corpusJson<{ input: { dims: number[] } }>(...folder, "reference.json");
        const [, height, width] = input.dims as [number, number, number, number];
        const picture = await decodePicture(corpusBytes("models", `${name}.bmp`));
        const { pixels } = resizeBilinear(picture, width, height);
        const expected = corpusBytes(...folder, "input-0.bin.gz");
        assert.is(Buffer.compare(pixels, expected), 0);
      });

test.run();
