import { FakeDrm } from "../helpers/fake-drm.ts";
import { openDrmAmong } from "../../transport-node/drm.ts";
import { transportSuite } from "./cts.ts";
transportSuite("drm on the fake kernel", async () => openDrmAmong(new FakeDrm()));
