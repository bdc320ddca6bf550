// Compiles models over HTTP: an example of a service that embeds the library.
//
//     node examples/06-node-service/main.mjs --port 8080
//     curl --data-binary @examples/sample/digits.tflite -H "Content-Type: application/octet-stream" \
//       "http://127.0.0.1:8080/compile?chip=a311d&mode=optimised" -o digits.twx
//
// With "Accept: application/json" the answer is the report. GET /health/live, /health/ready and /metrics are for whoever watches it.
// SIGTERM and SIGINT end it when everything that was taken in is answered.
// SPDX-License-Identifier: MIT
import { once } from "node:events";
import { parseArgs } from "node:util";
import { createService, DEFAULTS } from "./service.mjs";

const numbers = ["port", ...Object.keys(DEFAULTS)];
const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    ...Object.fromEntries(numbers.map((name) => [name, { type: "string" }])),
  },
});
const limits = {};
for (const name of numbers)
  if (values[name] !== undefined) {
    limits[name] = Number(values[name]);
    if (!Number.isSafeInteger(limits[name]) || limits[name] < 0)
      throw new RangeError(`--${name} ${values[name]} is no whole number`);
  }

const { server, end } = createService(limits);
server.listen(limits.port ?? 8080, values.host);
await once(server, "listening");
const { address, port } = server.address();
console.log(`listening on http://${address}:${port}`);

let ending = false;
for (const signal of ["SIGTERM", "SIGINT"])
  process.on(signal, async () => {
    // Who asks twice does not want to wait.
    if (ending) process.exit(1);
    ending = true;
    console.log(`${signal}: finishing what was taken in`);
    await end();
    console.log("ended");
  });
