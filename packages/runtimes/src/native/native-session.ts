import { fail } from "@tessera/core/base/error";
import type { DeviceProgram, DeviceValue } from "@tessera/core/codegen/device/program";
import { deviceInput, deviceOutput } from "@tessera/core/codegen/device/relayout";
import type { ValueInfo } from "@tessera/core/graph/model";
import type { Encoding } from "@tessera/core/graph/plan";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { countOf, type Tensor } from "@tessera/core/graph/tensor";
import type { HostProcess } from "./host-process.ts";

/** An input or output as the file has it. */
interface Port {
  readonly info: ValueInfo;
  /** Shape in the file. */
  readonly shape: readonly number[];
  readonly isLast: boolean;
  readonly encoding: Encoding;
  readonly value: DeviceValue;
}

/** What {@link nativeSession} is made of. */
export interface NativeParts {
  readonly program: DeviceProgram;
  /** Inputs and outputs whose channels are on the last axis for the caller; on axis 1 in the program. */
  readonly channelsLast: ReadonlySet<string>;
  readonly child: HostProcess;
  /** What goes with the session. */
  readonly onClose: () => Promise<void>;
}

/** Elements with axis 1 made the last, or the last made axis 1 (`back`). `shape` is that with the channels last. */
function moveChannels(value: Tensor, shape: readonly number[], back: boolean): Tensor {
  const [batch = 1, ...rest] = shape;
  const channels = rest.at(-1) ?? 1;
  const pixels = countOf(rest) / channels;
  const size = value.bytes.length / countOf(shape);
  const bytes = new Uint8Array(value.bytes.length);
  for (let n = 0; n < batch; n++)
    for (let p = 0; p < pixels; p++)
      for (let c = 0; c < channels; c++) {
        const last = ((n * pixels + p) * channels + c) * size;
        const first = ((n * channels + c) * pixels + p) * size;
        const [from, to] = back ? [last, first] : [first, last];
        for (let b = 0; b < size; b++) bytes[to + b] = value.bytes[from + b] as number;
      }
  return { ...value, shape: back ? [batch, channels, ...rest.slice(0, -1)] : shape, bytes };
}

function portOf({ program, channelsLast }: NativeParts, name: string): Port {
  const value = program.values.get(name) as DeviceValue;
  const { dtype, shape: modelShape } = value.model ?? value;
  const isLast = channelsLast.has(name);
  const [batch = 1, channels = 1, ...rest] = modelShape;
  const shape = isLast ? [batch, ...rest, channels] : modelShape;
  if (dtype !== "int8" && dtype !== "uint8" && dtype !== "int16")
    throw fail("UNSUPPORTED_OP", `Cannot open the model as native code: "${name}" is ${dtype}`, { at: { tensor: name } });
  // uint8 lies in the device's memory as int8 less 128.
  const zero = value.zeroPoint + (dtype === "uint8" ? 128 : 0);
  return {
    info: { name, type: { kind: "tensor", dtype, shape } },
    encoding: { dtype, scale: [value.scale], zeroPoint: [zero], reason: "the model's" },
    value,
    shape,
    isLast,
  };
}

/** A session over the running program of a lowered model. */
export function nativeSession(parts: NativeParts): Session {
  const { program, child, onClose } = parts;
  const inputs = program.inputs.map((name) => portOf(parts, name));
  const outputs = program.outputs.map((name) => portOf(parts, name));
  const request = (feeds: Feeds): Uint8Array =>
    Buffer.concat(
      inputs.map(({ info: { name }, shape, isLast }) => {
        const feed = feeds.get(name);
        const place = { at: { tensor: name } };
        if (feed === undefined) throw fail("DATA_MISSING", `Cannot run: input "${name}" is not fed`, place);
        if (feed.shape.join() !== shape.join())
          throw fail("SHAPE_MISMATCH", `Cannot feed "${name}" with [${feed.shape}]: it is [${shape}]`, place);
        return new Uint8Array(deviceInput(program, name, isLast ? moveChannels(feed, shape, true) : feed).buffer);
      }),
    );
  const answer = (output: Uint8Array): Feeds => {
    let to = 0;
    return new Map(
      outputs.map(({ info, value, shape, isLast }) => {
        const from = to;
        to += value.bytes;
        const bytes = output.slice(from, to);
        const data = value.dtype === "int16" ? new Int16Array(bytes.buffer) : new Int8Array(bytes.buffer);
        const made = deviceOutput(program, info.name, data);
        return [info.name, isLast ? moveChannels(made, shape, false) : made];
      }),
    );
  };
  return {
    inputs: inputs.map(({ info }) => info),
    outputs: outputs.map(({ info }) => info),
    encodings: new Map([...inputs, ...outputs].map(({ info, encoding }) => [info.name, encoding])),
    async run(feeds) {
      return answer((await child.run(request(feeds))).output);
    },
    async time(feeds, { runs, warmup = 1 }) {
      const vector = request(feeds);
      if (warmup > 0) await child.run(vector, warmup);
      const { nanoseconds } = await child.run(vector, runs);
      const wallMs = nanoseconds.map((ns) => ns / 1e6);
      return { wallMs, cpuMs: wallMs.reduce((sum, ms) => sum + ms, 0) };
    },
    async close() {
      await child.close();
      await onClose();
    },
  };
}
