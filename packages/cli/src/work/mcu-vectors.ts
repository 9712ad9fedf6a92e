import { type Random, seededRandom } from "@tessera/core/base/random";
import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import type { DeviceData } from "@tessera/core/codegen/device/relayout";
import { runDevice } from "@tessera/core/codegen/device/run";
import { stepMacs } from "@tessera/core/codegen/estimate";

/** Inputs of a network with what it must answer, in the device's own order of memory: the same for every board. */
export interface McuVectors {
  /** Bytes of all inputs of each vector, one input after the other. */
  readonly inputs: readonly Uint8Array[];
  /** Bytes of all outputs of each vector. */
  readonly outputs: readonly Uint8Array[];
  /** Values in the outputs of one vector. */
  readonly values: number;
}

/** Multiply-accumulates that the interpreter is given to do, some seconds of work, and the least and most vectors that come of it. */
const WORK = { macs: 2e8, least: 2, most: 8 } as const;

/** How many vectors a network is run on unless somebody says: the interpreter is slow, and large networks have many outputs. */
export function usualVectors(program: DeviceProgram): number {
  const macs = program.steps.reduce((sum, step) => sum + stepMacs(step), 0);
  return Math.max(WORK.least, Math.min(WORK.most, Math.floor(WORK.macs / Math.max(1, macs))));
}

/** How many integers of a kind there are from the lowest to the highest. */
const BYTE_LEVELS = 256;

/**
 * Seeded vectors and the answers of the integer interpreter: random over the whole range and near the zero point, where most real values lie, by turns; the
 * third one is the lowest integer everywhere, the fourth the highest.
 */
export function mcuVectors(program: DeviceProgram, count: number, seed: number): McuVectors {
  const random = seededRandom(seed);
  const all = Array.from({ length: count }, (_, i) => vectorOf(program, i, random));
  const answers = all.map((feeds) => runDevice(program, feeds));
  const outputs = answers.map((answer) => joined(program.outputs.map((name) => answer.get(name) as DeviceData)));
  const values = program.outputs.reduce((sum, name) => sum + (answers[0]?.get(name)?.length ?? 0), 0);
  return { inputs: all.map((feeds) => joined(program.inputs.map((name) => feeds.get(name) as DeviceData))), outputs, values };
}

function vectorOf(program: DeviceProgram, index: number, random: Random): ReadonlyMap<string, Int8Array> {
  return new Map(
    program.inputs.map((name) => {
      const { bytes, zeroPoint } = program.values.get(name) as { readonly bytes: number; readonly zeroPoint: number };
      const one = (): number => {
        if (index === 2) return -128;
        if (index === 3) return 127;
        if (index % 2 === 0) return random.int(BYTE_LEVELS) - 128;
        return Math.max(-128, Math.min(127, Math.round(zeroPoint + random.normal() * 24)));
      };
      return [name, Int8Array.from({ length: bytes }, one)] as const;
    }),
  );
}

function joined(parts: readonly DeviceData[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, p) => sum + p.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  return all;
}
