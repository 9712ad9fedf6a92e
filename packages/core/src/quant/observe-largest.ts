import { fail } from "../base/error.ts";
import { withGraph } from "../graph/edit.ts";
import { type Model, tensorType } from "../graph/model.ts";
import type { Feeds, Session } from "../graph/runtime.ts";
import { type Tensor, view } from "../graph/tensor.ts";
import { eachSample, exposeValues, nonFinite, type ObserveOptions, type Samples } from "./observe.ts";
import { reduceChannels } from "./reduce-channels.ts";

/** A value, and the one before its activation where that counts too. */
export interface LargestPlace {
  readonly tensor: string;
  readonly before?: string | undefined;
  readonly channels: number;
}

/**
 * The largest magnitude seen in each channel (axis 1) of some values, over all samples. Streams. The runtime itself reduces the values to a few numbers
 * a channel, so that whole activations need not leave it.
 *
 * @throws CALIBRATION_EMPTY without samples, CALIBRATION_NONFINITE naming the tensor, SHAPE_MISMATCH for a value without that many channels
 */
export async function observeLargest(
  model: Model,
  places: readonly LargestPlace[],
  samples: Samples,
  options: ObserveOptions,
): Promise<ReadonlyMap<string, Float64Array>> {
  const largest = new Map(
    places.flatMap(({ tensor, before, channels }) =>
      [tensor, ...(before === undefined ? [] : [before])].map((name) => [name, new Float64Array(channels)] as const),
    ),
  );
  const all = [...largest.keys()];
  const reduced = all.filter((name) => rankOf(model, name) !== undefined);
  // Of a value whose rank nobody knows the axes cannot be told: it comes out whole.
  const whole = all.filter((name) => rankOf(model, name) === undefined);
  const { model: reducing, meanings } = withReductions(exposeValues(model, whole), reduced);
  const slow = new SlowLook(model, options);
  const visit = async (output: string, value: Tensor, feeds: Feeds): Promise<void> => {
    const meaning = meanings.get(output);
    if (meaning === undefined) return widen(output, largest, value);
    const { tensor, end } = meaning;
    const channels = largest.get(tensor) as Float64Array;
    const numbers = view(value, "float32");
    if (numbers.length !== channels.length)
      throw fail("SHAPE_MISMATCH", `Cannot observe ${tensor}: it has ${numbers.length} channels, not ${channels.length}`);
    if (end !== "sum") raise(channels, numbers);
    // Sums of finite numbers may overflow: whether NaN or infinity is behind it shows in the values themselves only.
    else if (!numbers.every(Number.isFinite)) widen(tensor, largest, await slow.look(tensor, feeds));
  };
  try {
    await eachSample(reducing, [...whole, ...meanings.keys()], samples, { ...options, visit });
  } finally {
    await slow.close();
  }
  return largest;
}

function rankOf(model: Model, name: string): number | undefined {
  const type = model.graph.types.get(name) ?? model.graph.outputs.find((o) => o.name === name)?.type;
  return type?.kind === "tensor" ? type.shape?.length : undefined;
}

/** What an added output tells: the sums come first, because they tell whether the extremes mean anything. */
const REDUCTIONS = { sum: "ReduceSum", greatest: "ReduceMax", least: "ReduceMin" } as const;

/** The model with sums and extremes by channel of some values as further outputs, and what each of those means. */
function withReductions(model: Model, names: readonly string[]) {
  const { graph } = model;
  const places = names.map((tensor) => ({ tensor, rank: rankOf(model, tensor) as number }));
  const { constants, nodes, meanings } = reduceChannels(graph, places, REDUCTIONS);
  const outputs = [...meanings.keys()].map((name) => ({ name, type: tensorType("float32", undefined) }));
  const added = { ...graph, constants, nodes: [...graph.nodes, ...nodes], outputs: [...graph.outputs, ...outputs] };
  return { model: withGraph(model, added), meanings };
}

/** A look at a whole value, for the rare sample whose sums say too little. */
class SlowLook {
  private readonly sessions = new Map<string, Session>();
  private readonly model: Model;
  private readonly options: ObserveOptions;

  constructor(model: Model, options: ObserveOptions) {
    this.model = model;
    this.options = options;
  }

  async look(name: string, feeds: Feeds): Promise<Tensor> {
    const session = this.sessions.get(name) ?? (await this.options.open(exposeValues(this.model, [name])));
    this.sessions.set(name, session);
    const value = (await session.run(feeds)).get(name);
    if (value === undefined) throw fail("DATA_MISSING", `Cannot observe ${name}: the runtime did not return it`);
    return value;
  }

  async close(): Promise<void> {
    for (const session of this.sessions.values()) await session.close();
  }
}

/** Raises the largest magnitudes to those of one number a channel. */
function raise(largest: Float64Array, values: Float32Array): void {
  for (let c = 0; c < largest.length; c++) {
    const v = Math.abs(values[c] as number);
    if (v > (largest[c] as number)) largest[c] = v;
  }
}

function widen(name: string, all: ReadonlyMap<string, Float64Array>, value: Tensor): void {
  const largest = all.get(name) as Float64Array;
  if (value.shape[1] !== largest.length)
    throw fail("SHAPE_MISMATCH", `Cannot observe ${name}: it has shape [${value.shape}], not ${largest.length} channels`);
  const values = view(value, "float32");
  const batch = value.shape[0] as number;
  const inner = values.length / (batch * largest.length);
  for (let i = 0, row = 0; row < batch * largest.length; row++) {
    const c = row % largest.length;
    let most = largest[c] as number;
    for (const end = i + inner; i < end; i++) {
      const v = Math.abs(values[i] as number);
      if (!(v < Number.POSITIVE_INFINITY)) throw nonFinite(name);
      if (v > most) most = v;
    }
    largest[c] = most;
  }
}
