// Every captured version 8 coefficient buffer: what the decoder reads, put together again by the
// plain encoder, is the buffer, bit for bit. So nothing in it went unread or was misunderstood.
// SPDX-License-Identifier: MIT
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CoefStats } from "../../core-as/assembly/abi.ts";
import { captureNames, loadCapture } from "../helpers/captures.ts";
import { encodeCoefsV8, symbolMap } from "../helpers/coef-v8.ts";
import { coreOf } from "../helpers/cores.ts";
import { needCorpus } from "../helpers/corpus.ts";
import { decodeCoefs } from "../helpers/decode-coefs.ts";
import { fieldValue } from "../helpers/flips.ts";
import { sameBytes } from "../helpers/sim-rig.ts";

if (needCorpus("sim-coefs-v8"))
  test("captured buffers, decoded and encoded again", async () => {
    const core = await coreOf("release");
    const seen = { buffers: 0, depthwise: 0, maps: new Set<string>(), sortedRaw: 0 };
    for (const name of captureNames("imx8mp")) {
      const { buffers, chip } = loadCapture("imx8mp", name);
      for (const buffer of buffers.filter(({ role }) => role === "coefficients")) {
        const bytes = buffer.contents!.slice();
        const nn = buffers.find((b) => b.name === buffer.name.replace("coefs", "nn"))!;
        const words = new Uint32Array(nn.contents!.slice().buffer);
        const value = (field: string): number => fieldValue("NN", words, field, 8);
        const fields = {
          kernelX: value("KERNEL_X_SIZE"),
          kernelY: value("KERNEL_Y_SIZE"),
          kernelZ: value("KERNEL_Z_SIZE"),
          perCore: value("KERNELS_PER_CORE"),
          outZ: value("OUT_Z_SIZE"),
          weightZp: value("COEF_ZERO_POINT"),
          depthwise: value("DEPTHWISE") === 1,
          cores: chip.nnCores,
        };
        const decoded = decodeCoefs(core, 8, bytes, fields);
        const taps = decoded.weights.length / fields.outZ;
        const weights = new Uint8Array(decoded.weights.length);
        const biases = new Int32Array(fields.outZ);
        for (const [kernel, channel] of decoded.offsets.entries()) {
          biases[channel] = decoded.biases[kernel]!;
          const own = decoded.weights.subarray(kernel * taps, (kernel + 1) * taps);
          weights.set(Uint8Array.from(own, (w) => w + fields.weightZp), channel * taps);
        }
        const map = Array.from({ length: 8 }, (_, i) => (bytes[20 + (i >> 1)]! >> (4 * (i & 1))) & 15);
        const again = encodeCoefsV8({ ...fields, weights, biases, map });
        assert.is(decoded.stats[CoefStats.BYTES], again.length);
        sameBytes(bytes.subarray(0, again.length), again, `${name} ${buffer.name}`);
        assert.not(bytes.subarray(again.length).some((byte) => byte !== 0));

        seen.buffers++;
        seen.depthwise += fields.depthwise ? 1 : 0;
        seen.maps.add(map.join());
        seen.sortedRaw += symbolMap(weights).join() === map.join() ? 1 : 0;
      }
    }
    assert.ok(seen.buffers >= 224 && seen.depthwise >= 38 && seen.maps.size > 10);
    // Signed weights are counted before they move by 128 (quirk Q11): their maps come out otherwise.
    assert.ok(seen.sortedRaw > seen.buffers / 2, JSON.stringify({ ...seen, maps: seen.maps.size }));
  }); // prettier-ignore

test.run();
