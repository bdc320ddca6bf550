// Entry of the preview's page.
// SPDX-License-Identifier: MIT
import { render } from "preact";
import workerUrl from "preview:worker";
import { wrapCompiler } from "../../core-as/worker/index.ts";
import type { PreviewService } from "./service.ts";
import { AppView } from "./shell/app-view.tsx";
import { Controller } from "./shell/controller.ts";

// The worker loads while the page is drawn.
const worker = new Worker(workerUrl, { type: "module" });
const controller = new Controller(wrapCompiler<PreviewService>(worker));
worker.addEventListener("error", (event) => controller.workerFailed(event.message));
render(<AppView controller={controller} />, document.getElementById("app")!);

// For opening the page again without a network; never in the way of opening it now.
if ("serviceWorker" in navigator && isSecureContext)
  addEventListener("load", () =>
    setTimeout(() => {
      // A host that does not serve it, or a browser that refuses, costs nothing but that.
      navigator.serviceWorker.register(new URL("sw.js", document.baseURI)).catch(() => undefined);
    }, 2000),
  );
