// Runs the sample model on an NPU of this machine, through the kernel's etnaviv driver.
//
//     node examples/03-run-local/run-local.mjs [/dev/dri/renderD128]
//
// Where there is no NPU it says what is there, and ends without an error.
// SPDX-License-Identifier: MIT
import { readFile } from "node:fs/promises";
import { chipByIdentity, compile, createSession, TransportError } from "tilewright";
import { listDevices, openDrm } from "tilewright/node";
import { readPicture, sample } from "../picture.mjs";

const [path] = process.argv.slice(2);

/** An NPU, or null with an explanation when this machine has none that can be used. */
async function openNpu() {
  try {
    return await openDrm(path === undefined ? {} : { path });
  } catch (error) {
    const isMissing = ["TW_IO_NO_DEVICE", "TW_IO_NOT_NPU", "TW_IO_ADDON"].includes(error.code);
    if (!(error instanceof TransportError) || !isMissing) throw error;
    console.log(`no NPU here: ${error.message} [${error.code}]`);
    // Without the addon there is nobody to ask for devices.
    const devices = error.code === "TW_IO_ADDON" ? [] : await listDevices();
    for (const { path, core, problem } of devices)
      console.log(`${path}, core ${core}: ${problem?.message ?? "usable"}`);
    console.log("02-simulate runs the same model without one");
    return null;
  }
}

const npu = await openNpu();
if (npu !== null) {
  // A model is compiled for the chip that is there; another chip's executable would be refused.
  const chip = chipByIdentity(npu.chip);
  const model = new Uint8Array(await readFile(sample("digits.tflite")));
  const { executable } = await compile(model, { target: chip.name });
  const session = await createSession(executable, npu);
  const input = await readPicture(sample("three.png"), session.inputs[0]);

  const { outputs, evidence, timings } = await session.run([input], { timeoutMs: 5000 });
  const milliseconds = timings.reduce((sum, step) => sum + step.milliseconds, 0);
  console.log(`${npu.path}, ${chip.part}`);
  console.log(`the digit is ${outputs[0].indexOf(Math.max(...outputs[0]))}`);
  console.log(`${milliseconds.toFixed(2)} ms, ${evidence}`);

  await session.close();
  await npu.close();
}
