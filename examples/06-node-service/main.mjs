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

/** @throws Error with a sentence when the command line cannot be understood */
function readArguments() {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      ...Object.fromEntries(numbers.map((name) => [name, { type: "string" }])),
    },
  });
  const { host, ...texts } = values;
  const limits = {};
  for (const [name, text] of Object.entries(texts)) {
    limits[name] = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(limits[name]))
      throw new RangeError(`--${name} ${text} is no whole number`);
  }
  return { host, limits };
}

let given;
try {
  given = readArguments();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exit(2);
}
const { host, limits } = given;
const { server, end } = createService(limits);
server.listen(limits.port ?? 8080, host);
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
