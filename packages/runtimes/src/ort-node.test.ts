import { runtimeSuite } from "@tessera/testkit/runtime-suite";
import { ortNodeRuntime } from "./ort-node.ts";

runtimeSuite({ name: "ort-node in worker threads", make: () => ortNodeRuntime() });
runtimeSuite({ name: "ort-node in the calling thread", make: () => ortNodeRuntime({ worker: false }) });
