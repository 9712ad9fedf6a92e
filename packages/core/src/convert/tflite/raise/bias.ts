import type { Encoding } from "../../../graph/plan.ts";
import { countOf, type Tensor, toNumbers } from "../../../graph/tensor.ts";
import { dequantized, settled } from "./dequantize.ts";
import { nameOf, type Site } from "./site.ts";

/** Where the tensors stand whose scales a bias has. */
export interface BiasPlaces {
  readonly input: number;
  readonly weight: number;
}

/** How far the scale of a bias in a file may be from the product that kernels use. */
const SCALE_TOLERANCE = 1e-3;

/** The numbers that an integer bias stands for, and its encoding; `undefined` where the bias is not an integer constant. */
export function integerBias(
  site: Site,
  i: number,
  places: BiasPlaces,
): { readonly tensor: Tensor; readonly encoding: Encoding } | undefined {
  const source = site.source(i);
  const { builder } = site;
  if (source.data === undefined || (source.dtype !== "int32" && source.dtype !== "int64")) return undefined;
  const input = site.encoding(places.input);
  const weight = site.source(places.weight).encoding;
  if (input === undefined || weight === undefined || input.scale.length !== 1)
    throw site.refuse("its bias is an integer, and its input or weights have no scale");
  const count = countOf(source.shape);
  if (weight.scale.length !== 1 && weight.scale.length !== count)
    throw site.refuse(`its bias has ${count} elements for ${weight.scale.length} scales`);
  const scale = weight.scale.map((s) => Math.fround(s * (input.scale[0] as number)));
  if (!scale.every((s) => s > 0 && Number.isFinite(s)))
    throw site.refuse("the scales of its input and weights have no product in float32");
  const declared = source.encoding?.scale;
  if (declared?.some((s, c) => Math.abs(s - (scale[c] ?? s)) > SCALE_TOLERANCE * s))
    builder.notes.push(`Bias ${nameOf(site, i)} says another scale than input times weights, which kernels use; theirs is kept`);
  const encoding: Encoding = {
    dtype: source.dtype as Encoding["dtype"],
    scale,
    zeroPoint: scale.map(() => 0),
    ...(scale.length > 1 ? { axis: 0 } : {}),
    reason: "input scale times weight scale",
  };
  const flat: Tensor = { ...source.data, shape: [count] };
  const { tensor, lost } = settled(flat, dequantized(flat, encoding), encoding);
  if (lost > 0) {
    const largest = toNumbers(flat).reduce((most, q) => Math.max(most, Math.abs(q)), 0);
    builder.notes.push(
      `Bias ${nameOf(site, i)} loses digits: ${lost} of ${count} integers (up to ${largest}) do not survive in float32`,
    );
  }
  return { tensor, encoding };
}

/**
 * The bias of a layer as a float32 vector; `undefined` when there is none. An integer bias has the scale float32(input * weight), whatever the file
 * says in its last digits: that is what kernels use.
 */
export function bias(site: Site, i: number, places: BiasPlaces = { input: 0, weight: 1 }): string | undefined {
  if (!site.has(i)) return undefined;
  const found = integerBias(site, i, places);
  if (found === undefined) return site.value(i);
  const name = site.builder.constant(nameOf(site, i), found.tensor);
  site.builder.encodings.set(name, found.encoding);
  return name;
}
