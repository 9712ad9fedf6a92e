import type { Runtime } from "@tessera/core/graph/runtime";
import type { Target } from "@tessera/core/targets/target";

/** A runtime of this machine by its id. @throws RUNTIME_MISSING */
export async function hostRuntime(id: Target["runtime"]): Promise<Runtime> {
  switch (id) {
    case "ort-node":
      return (await import("@tessera/runtimes/ort-node")).ortNodeRuntime();
    case "ort-web":
      return (await import("@tessera/runtimes/ort-web")).ortWebRuntime();
  }
}

/** The runtime that runs a target's artefacts on this machine. @throws RUNTIME_MISSING */
export function runtimeFor(target: Pick<Target, "runtime">): Promise<Runtime> {
  return hostRuntime(target.runtime);
}
