// Entry of the preview's page.
// SPDX-License-Identifier: MIT
import { render } from "preact";
import workerUrl from "preview:worker";
import { wrap } from "comlink";
import type { PreviewService } from "./service.ts";

const service = wrap<PreviewService>(new Worker(workerUrl, { type: "module" }));
render(<main>Tilewright {typeof service}</main>, document.getElementById("app")!);
