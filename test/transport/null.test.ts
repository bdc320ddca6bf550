// The null transport answers zeros.
// SPDX-License-Identifier: MIT
import { chipByName } from "../../core-as/hw/chips.ts";
import { createNullTransport } from "../../core-as/runtime/null-transport.ts";
import { transportSuite } from "./cts.ts";

transportSuite("null", async () => createNullTransport(chipByName("a311d")!), { computes: false });
