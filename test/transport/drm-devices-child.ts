// Lists the devices and tries to open one; prints what came of it as a line of JSON. Runs under the mock kernel.
// Usage: drm-devices-child.ts [module] [path]
// SPDX-License-Identifier: MIT
import { pathToFileURL } from "node:url";
import type * as DrmModule from "../../transport-node/index.ts";

const [module = "transport-node/index.ts", path] = process.argv.slice(2);
const { listDevices, openDrm } = (await import(pathToFileURL(module).href)) as typeof DrmModule;

async function outcome(): Promise<object> {
  try {
    const transport = await openDrm(path === undefined ? {} : { path });
    const { chip, core, evidence, driver } = transport;
    await transport.close();
    return { opened: transport.path, chip: chip.name, core, evidence, driver };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { code, message };
  }
}

const devices = await listDevices().catch((error: unknown) => (error as { code: string }).code);
console.log(
  JSON.stringify({
    ...(await outcome()),
    devices:
      typeof devices === "string"
        ? devices
        : devices.map(({ path, core, chip, problem }) => ({
            path,
            core,
            chip: chip?.name ?? null,
            problem: problem?.code ?? null,
          })),
  }),
);
