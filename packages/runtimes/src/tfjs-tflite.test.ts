import { runtimeSuite } from "@tessera/testkit/runtime-suite";
import { tfliteFiles } from "@tessera/testkit/runtime-tflite";
import { tfjsTfliteRuntime } from "./tfjs-tflite.ts";

/** What no TFLite file has. */
const NO_SUCH = {
  "fixes a symbolic dimension": "a TFLite file gives its open sizes no names",
  "reads external data from memory": "a TFLite file has its data inside",
};

runtimeSuite({
  name: "tfjs-tflite in the calling thread",
  make: () => tfjsTfliteRuntime({ worker: false }),
  files: tfliteFiles({ without: ["float16", "uint16", "int64", "uint64"] }),
  skip: { ...NO_SUCH, "computes the same with two threads": "it has one" },
});
