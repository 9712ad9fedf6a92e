import type { Model } from "@tessera/core/graph/model";
import type { Session } from "@tessera/core/graph/runtime";
import { interpret } from "@tessera/core/interp/run";

/** Opens a session in which the reference interpreter computes a model; for what takes a runtime and is no test of one. */
export async function openInterpreted({ graph }: Model): Promise<Session> {
  return {
    inputs: [],
    outputs: [],
    run: async (feeds) => interpret(graph, feeds),
    time: async () => ({ wallMs: [], cpuMs: 0 }),
    close: async () => {},
  };
}
