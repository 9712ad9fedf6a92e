import type { GatewayModality, StageTime } from "@tessera/core/protocol/gateway-api";

/** Takes the time of stages one after another. */
export interface StageClock {
  /** Ends the stage that began with the last call, or with the making of the clock. */
  lap(stage: StageTime["stage"]): void;
  readonly stages: readonly StageTime[];
}

/** A clock that starts now. */
export function stageClock(modality: GatewayModality): StageClock {
  const stages: StageTime[] = [];
  let from = performance.now();
  return {
    stages,
    lap(stage) {
      const now = performance.now();
      stages.push({ stage, modality, ms: now - from });
      from = now;
    },
  };
}
