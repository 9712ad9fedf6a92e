import type { Runtime } from "@tessera/core/graph/runtime";
import type { MachineSummary } from "@tessera/core/protocol/report";
import type { Hardware } from "@tessera/runtimes/hardware";

/** The machine as a report has it. */
export function machineOf(
  hardware: Hardware,
  options: { readonly runtimes: readonly Runtime[]; readonly threads: number },
): MachineSummary {
  const { runtimes, threads } = options;
  return {
    processor: hardware.cpu,
    cores: hardware.cores,
    features: hardware.features ?? [],
    memoryBytes: hardware.memoryBytes,
    node: hardware.node,
    runtimes: runtimes.map(({ id, version }) => ({ id, version })),
    threads,
  };
}
