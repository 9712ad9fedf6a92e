import { fail } from "@tessera/core/base/error";
import type { Dim, Shape } from "@tessera/core/graph/dim";
import type { Model, ValueInfo } from "@tessera/core/graph/model";
import type { Encoding } from "@tessera/core/graph/plan";
import { dequantizeTensor, quantizeTensor } from "@tessera/core/graph/quantize";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { countOf, f32, fromNumbers, type Tensor, toNumbers } from "@tessera/core/graph/tensor";

/** Where a picture's channels stand: behind the batch, or last. */
export type ImageLayout = "NCHW" | "NHWC";

/** Axes of the other layout by axis of the new one. */
const TO_LAYOUT = { NHWC: [0, 2, 3, 1], NCHW: [0, 3, 1, 2] } as const satisfies Record<ImageLayout, readonly number[]>;

/** The other orders that a picture's axes may stand in, and the way back. */
export const IMAGE_ORDERS = [
  { to: TO_LAYOUT.NHWC, back: TO_LAYOUT.NCHW },
  { to: TO_LAYOUT.NCHW, back: TO_LAYOUT.NHWC },
] as const;

/** The inputs and outputs that a session is to show, in the names, types and layouts of a model rather than those of a file. */
export interface Wanted {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

function shapeOf({ type }: ValueInfo): Shape | undefined {
  return type.kind === "tensor" ? type.shape : undefined;
}

function dtypeOf({ type }: ValueInfo): string | undefined {
  return type.kind === "tensor" ? type.dtype : undefined;
}

function fits(shape: Shape, pattern: Shape): boolean {
  return (
    shape.length === pattern.length &&
    shape.every((d, i) => typeof d === "string" || typeof pattern[i] === "string" || d === pattern[i])
  );
}

/** A session in other terms than its file's. */
export interface Presented extends Session {
  /** What the file itself is fed. */
  readonly ownFeeds?: (feeds: Feeds) => Feeds;
}

/** A shape with its axes in another order: `permutation[i]` is the old axis that becomes axis i. */
export function permuted<T>(values: readonly T[], permutation: readonly number[]): readonly T[] {
  return permutation.map((axis) => values[axis] as T);
}

/**
 * The order of axes that turns a value of shape `from` into one of shape `to`, when those are a picture in two layouts; `undefined` when they agree
 * as they are. Sizes decide, which they can: only a picture as deep as it is high and wide looks the same in both, and such a one is taken as it is.
 *
 * @throws SHAPE_MISMATCH when they agree in no layout
 */
export function layoutChange(from: Shape | undefined, to: Shape | undefined, name: string): readonly number[] | undefined {
  if (from === undefined || to === undefined || fits(from, to)) return undefined;
  for (const permutation of Object.values(TO_LAYOUT))
    if (from.length === 4 && fits(permuted(from, permutation), to)) return permutation;
  throw fail("SHAPE_MISMATCH", `Cannot feed ${name}: the file takes [${to}], what is there is [${from}]`, {
    at: { tensor: name },
  });
}

/** A tensor with its axes in another order. */
export function transposed(tensor: Tensor, permutation: readonly number[]): Tensor {
  const { shape } = tensor;
  const strides = shape.map((_, axis) => countOf(shape.slice(axis + 1)));
  const outShape = permuted(shape, permutation);
  const steps = permuted(strides, permutation);
  const values = toNumbers(tensor);
  const out = new Float64Array(values.length);
  const place = outShape.map(() => 0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = values[from] as number;
    for (let axis = outShape.length - 1; axis >= 0; axis--) {
      const next = (place[axis] as number) + 1;
      from += steps[axis] as number;
      if (next < (outShape[axis] as number)) {
        place[axis] = next;
        break;
      }
      from -= next * (steps[axis] as number);
      place[axis] = 0;
    }
  }
  return tensor.dtype === "float32" ? f32(outShape, Float32Array.from(out)) : fromNumbers(tensor.dtype, outShape, out);
}

/** The value under a name, else the one at the same place where no name fits and the numbers do. */
function partner(mine: readonly ValueInfo[], theirs: readonly ValueInfo[], index: number): ValueInfo | undefined {
  const named = theirs.find((v) => v.name === mine[index]?.name);
  if (named !== undefined || mine.length !== theirs.length) return named;
  return mine.some((m) => theirs.some((t) => t.name === m.name)) ? undefined : theirs[index];
}

/** The shape to show: that of the model, with the numbers that the file has for sizes that the model leaves open. */
function shownShape(
  wanted: Shape | undefined,
  has: Shape | undefined,
  permutation: readonly number[] | undefined,
): Shape | undefined {
  if (wanted === undefined || has === undefined) return wanted ?? has;
  const back = permutation === undefined ? has : wanted.map((_, axis) => has[permutation.indexOf(axis)] as Dim);
  return wanted.map((d, axis) => (typeof d === "number" ? d : (back[axis] ?? d)));
}

interface Entry {
  readonly shown: ValueInfo;
  readonly own: ValueInfo;
  readonly encoding: Encoding | undefined;
  readonly permutation: readonly number[] | undefined;
}

function entryFor(wanted: readonly ValueInfo[], own: readonly ValueInfo[], index: number, session: Session): Entry {
  const want = wanted[index] as ValueInfo;
  const mine = partner(wanted, own, index);
  if (mine === undefined)
    throw fail("DATA_MISSING", `Cannot feed "${want.name}": the file's inputs are ${own.map((o) => o.name).join(", ")}`, {
      at: { tensor: want.name },
    });
  const encoding = dtypeOf(want) === "float32" && dtypeOf(mine) !== "float32" ? session.encodings?.get(mine.name) : undefined;
  const permutation = layoutChange(shapeOf(want), shapeOf(mine), want.name);
  const shape = shownShape(shapeOf(want), shapeOf(mine), permutation);
  const shown = want.type.kind === "tensor" ? { ...want, type: { ...want.type, shape } } : want;
  return { shown, own: mine, encoding, permutation };
}

function toFile(tensor: Tensor, { own, encoding, permutation }: Entry): Tensor {
  const laid = permutation === undefined ? tensor : transposed(tensor, permutation);
  const dtype = own.type.kind === "tensor" ? own.type.dtype : laid.dtype;
  if (dtype === laid.dtype) return laid;
  if (encoding !== undefined) return quantizeTensor(laid, encoding);
  // Lengths and settings: int64 in ONNX, int32 in TFLite.
  return fromNumbers(dtype, laid.shape, toNumbers(laid));
}

function fromFile(tensor: Tensor, wanted: ValueInfo, encoding: Encoding | undefined): Tensor {
  const permutation = layoutChange(tensor.shape, shapeOf(wanted), wanted.name);
  const laid = permutation === undefined ? tensor : transposed(tensor, permutation);
  const dtype = wanted.type.kind === "tensor" ? wanted.type.dtype : laid.dtype;
  if (dtype === laid.dtype) return laid;
  if (encoding !== undefined && dtype === "float32") return dequantizeTensor(laid, encoding);
  return fromNumbers(dtype, laid.shape, toNumbers(laid));
}

/**
 * A session that is fed and answers in the terms of a model: pictures in the model's layout, floats where the file has integers with a scale
 * (`Session.encodings`), int64 where it has int32. Values are found by name, or by place where no name fits. A session that has all that already is
 * given back as it is. Times are those of the file's own session: the change of the inputs is not in them.
 *
 * @throws DATA_MISSING when the file lacks an input; SHAPE_MISMATCH when shapes agree in no layout
 */
export function presentSession(session: Session, wanted: Wanted): Presented {
  const entries = wanted.inputs.map((_, i) => entryFor(wanted.inputs, session.inputs, i, session));
  const outputs = wanted.outputs.map((want, i) => {
    const own = partner(wanted.outputs, session.outputs, i);
    const encoding = own === undefined ? undefined : session.encodings?.get(own.name);
    return { want, own: own?.name ?? want.name, encoding };
  });
  const isPlain =
    entries.every((e) => e.permutation === undefined && e.shown.name === e.own.name && dtypeOf(e.shown) === dtypeOf(e.own)) &&
    outputs.every(({ want, own }) => {
      const mine = session.outputs.find((o) => o.name === own);
      return want.name === own && mine !== undefined && dtypeOf(want) === dtypeOf(mine) && shapeOf(want)?.length !== 4;
    });
  if (isPlain) return session;
  const into = (feeds: Feeds): Feeds =>
    new Map(
      entries.map((entry) => {
        const tensor = feeds.get(entry.shown.name);
        if (tensor === undefined)
          throw fail("DATA_MISSING", `Cannot run the model: "${entry.shown.name}" is not fed`, {
            at: { tensor: entry.shown.name },
          });
        return [entry.own.name, toFile(tensor, entry)] as const;
      }),
    );
  const { profile } = session;
  const { encodings: _, ...rest } = session;
  return {
    ...rest,
    inputs: entries.map((e) => e.shown),
    outputs: wanted.outputs,
    run: async (feeds) => {
      const results = await session.run(into(feeds));
      return new Map(
        outputs.flatMap(({ want, own, encoding }) => {
          const tensor = results.get(own);
          return tensor === undefined ? [] : [[want.name, fromFile(tensor, want, encoding)] as const];
        }),
      );
    },
    time: (feeds, options) => session.time(into(feeds), options),
    ...(profile === undefined ? {} : { profile: (feeds: Feeds, runs: number) => profile.call(session, into(feeds), runs) }),
    close: () => session.close(),
    ownFeeds: into,
  };
}

/** What a session of a file that says the model is to show: the model's own inputs and outputs. */
export function wantedBy({ graph }: Model): Wanted {
  return { inputs: graph.inputs.filter((i) => !graph.constants.has(i.name)), outputs: graph.outputs };
}
