import { runtimeSuite } from "@tessera/testkit/runtime-suite";
import { TFLITE_FILES } from "@tessera/testkit/runtime-tflite";
import { litertRuntime } from "./litert.ts";

/** What no TFLite file has. */
const NO_SUCH = {
  "fixes a symbolic dimension": "a TFLite file gives its open sizes no names",
  "reads external data from memory": "a TFLite file has its data inside",
};

runtimeSuite({
  name: "litert in the calling thread",
  make: () => litertRuntime({ worker: false }),
  files: TFLITE_FILES,
  skip: { ...NO_SUCH, "takes and gives a tensor without elements": "LiteRT makes no such tensors" },
});
