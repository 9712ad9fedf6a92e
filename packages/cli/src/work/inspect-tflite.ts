import { isTesseraError } from "@tessera/core/base/error";
import type { ValueInfo } from "@tessera/core/graph/model";
import { printType } from "@tessera/core/graph/text-print";
import type { Delegation } from "@tessera/core/protocol/report";
import { tfliteIo } from "@tessera/runtimes/tflite-io";
import { delegationOf } from "./delegation.ts";
import { type TfliteQuantization, tfliteFacts } from "./tflite-facts.ts";

/** What stands in a TFLite file; plain JSON. */
export interface TfliteInspection {
  readonly subgraphs: number;
  readonly signatures: readonly string[];
  /** In the file's own layout and types. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** By name and version, most frequent first, and how many of them compute in integers. */
  readonly operators: readonly {
    readonly op: string;
    readonly version: number;
    readonly count: number;
    readonly integer: number;
  }[];
  readonly quantization: TfliteQuantization;
  /** What XNNPACK takes over on this machine. */
  readonly delegation?: Delegation;
  /** Why that is not known. */
  readonly delegationUnknown?: string;
}

/** Looks into a TFLite file. What a runtime makes of it is asked of tfjs-tflite; where that cannot run the file, the rest stands. */
export async function inspectTflite(bytes: Uint8Array): Promise<TfliteInspection> {
  const { subgraphs, signatures, operators, quantization } = tfliteFacts(bytes);
  const io = tfliteIo(bytes);
  const rows = new Map<string, { op: string; version: number; count: number; integer: number }>();
  for (const { op, version, computesIn } of operators) {
    const key = `${op} ${version}`;
    const row = rows.get(key) ?? { op, version, count: 0, integer: 0 };
    row.count++;
    if (computesIn === "integer") row.integer++;
    rows.set(key, row);
  }
  const words = (value: ValueInfo): string => {
    const encoding = io.encodings.get(value.name);
    const grid = encoding === undefined ? "" : `, scale ${encoding.scale[0]} zero point ${encoding.zeroPoint[0]}`;
    return `${value.name}: ${printType(value.type)}${grid}`;
  };
  return {
    subgraphs,
    signatures,
    inputs: io.inputs.map(words),
    outputs: io.outputs.map(words),
    operators: [...rows.values()].sort((a, b) => b.count - a.count || (a.op < b.op ? -1 : 1)),
    quantization,
    ...(await knownDelegation(bytes)),
  };
}

async function knownDelegation(bytes: Uint8Array): Promise<Pick<TfliteInspection, "delegation" | "delegationUnknown">> {
  try {
    return { delegation: await delegationOf(bytes) };
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    return { delegationUnknown: error.message };
  }
}
