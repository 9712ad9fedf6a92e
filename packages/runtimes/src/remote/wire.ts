import { fail } from "@tessera/core/base/error";
import { byteLength, DTYPES, type DType } from "@tessera/core/graph/dtype";
import type { ValueInfo } from "@tessera/core/graph/model";
import type { Encoding } from "@tessera/core/graph/plan";
import type { Feeds } from "@tessera/core/graph/runtime";
import { countOf, type Tensor } from "@tessera/core/graph/tensor";
import type { Hardware } from "../hardware.ts";
import type { AgentLimits } from "./limits.ts";

/** Version of the protocol; both sides must have the same. */
export const AGENT_PROTOCOL = 1;

/** The header that names whoever has the device; lower case, as Node reads them. */
export const LEASE_HEADER = "x-tessera-lease";

/** A runtime of the device. */
export interface RemoteRuntimeInfo {
  readonly id: string;
  readonly version: string;
  readonly formats: readonly ("onnx" | "ort" | "tflite")[];
}

/** What a device says of itself to whoever takes it. */
export interface AgentHello {
  readonly protocol: number;
  /** Version of Tessera on the device. */
  readonly version: string;
  readonly hardware: Hardware;
  readonly runtimes: readonly RemoteRuntimeInfo[];
  readonly limits: AgentLimits;
  /** Goes with every further request. */
  readonly lease: string;
}

/** A session that was opened on the device. */
export interface RemoteSessionInfo {
  readonly session: number;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly encodings?: readonly (readonly [string, Encoding])[];
  readonly profiles: boolean;
}

/** A tensor of a frame: its bytes are a blob, or its strings are several. */
export interface TensorRecord {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly blobs: readonly number[];
}

/** Tensors as records; their bytes are added to `blobs`. */
export function packTensors(feeds: Feeds, blobs: Uint8Array[]): readonly TensorRecord[] {
  return [...feeds].map(([name, tensor]): TensorRecord => {
    const own = tensor.strings ?? [tensor.bytes];
    const from = blobs.length;
    for (const bytes of own) blobs.push(bytes);
    return { name, dtype: tensor.dtype, shape: tensor.shape, blobs: own.map((_, i) => from + i) };
  });
}

/**
 * What {@link packTensors} made, checked: types that exist, whole sizes, data that is there. Whether there is as much of it as the shape needs is for the
 * runtime to say, whose words a caller knows. @throws MALFORMED
 */
export function unpackTensors(records: unknown, blobs: readonly Uint8Array[]): Feeds {
  const feeds = new Map<string, Tensor>();
  for (const record of listAt(records, "tensors")) {
    const { name, dtype, shape, blobs: places } = recordAt(record, "a tensor");
    if (typeof name !== "string" || feeds.has(name)) throw malformed("a tensor has no name of its own");
    if (typeof dtype !== "string" || !Object.hasOwn(DTYPES, dtype)) throw malformed("a tensor has no element type");
    const sizes = listAt(shape, "a shape").map((size) => wholeAt(size, "a size"));
    const data = listAt(places, "a tensor's data").map((place) => {
      const bytes = blobs[wholeAt(place, "a place of data")];
      if (bytes === undefined) throw malformed("a tensor's data is not there");
      return bytes;
    });
    if (dtype === "string") {
      if (data.length !== countOf(sizes)) throw malformed("a tensor has not as many strings as its shape");
      feeds.set(name, { dtype, shape: sizes, bytes: new Uint8Array(0), strings: data });
      continue;
    }
    const [bytes] = data;
    if (bytes === undefined || data.length !== 1) throw malformed("a tensor has more or less than one part of data");
    if (bytes.length !== byteLength(dtype as DType, countOf(sizes)))
      throw fail(
        "SHAPE_MISMATCH",
        `Cannot feed ${JSON.stringify(name.slice(0, 80))}: ${bytes.length} bytes are no ${dtype} of [${sizes}]`,
      );
    feeds.set(name, { dtype: dtype as DType, shape: sizes, bytes });
  }
  return feeds;
}

/** An object of a frame's head. @throws MALFORMED */
export function recordAt(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`${what} is no object`);
  return value as Readonly<Record<string, unknown>>;
}

/** A list of a frame's head. @throws MALFORMED */
export function listAt(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${what} is no list`);
  return value;
}

/** A whole number from 0. @throws MALFORMED */
export function wholeAt(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw malformed(`${what} is no whole number`);
  return value as number;
}

/** A text. @throws MALFORMED */
export function textAt(value: unknown, what: string): string {
  if (typeof value !== "string") throw malformed(`${what} is no text`);
  return value;
}

/** A SHA-256 as hexadecimal digits. @throws MALFORMED */
export function digestAt(value: unknown, what: string): string {
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) throw malformed(`${what} is no SHA-256`);
  return value;
}

/** Numbers from 0, as many as wanted. @throws MALFORMED */
export function timesAt(value: unknown, count: number): readonly number[] {
  const times = listAt(value, "times");
  if (times.length !== count || !times.every((ms) => typeof ms === "number" && Number.isFinite(ms) && ms >= 0))
    throw malformed(`there are not ${count} times`);
  return times as readonly number[];
}

/** The error of a message that does not follow the protocol. */
export function malformed(why: string): Error {
  return fail("MALFORMED", `Cannot read the message: ${why}`, { hint: "Run the same version of Tessera on both machines" });
}
