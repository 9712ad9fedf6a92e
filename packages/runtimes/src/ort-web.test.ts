import { runtimeSuite } from "@tessera/testkit/runtime-suite";
import { ortWebRuntime } from "./ort-web.ts";

runtimeSuite({
  name: "ort-web in the calling thread",
  make: () => ortWebRuntime({ worker: false }),
  skip: { "computes the same with two threads": "one thread only outside a worker" },
});

runtimeSuite({
  name: "ort-web in worker threads",
  make: () => ortWebRuntime(),
  only: [
    "passes every element type through unchanged",
    "computes the same with two threads",
    "reads external data from memory",
    "refuses work after it was closed, and closing twice is fine",
  ],
});
