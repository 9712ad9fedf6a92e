import type { Runtime } from "@tessera/core/graph/runtime";
import type { Target } from "@tessera/core/targets/target";

/** The runtime that runs a target's artefacts on this machine. @throws RUNTIME_MISSING */
export async function runtimeFor(target: Pick<Target, "runtime">): Promise<Runtime> {
  switch (target.runtime) {
    case "ort-node":
      return (await import("@tessera/runtimes/ort-node")).ortNodeRuntime();
    case "ort-web":
      return (await import("@tessera/runtimes/ort-web")).ortWebRuntime();
  }
}
