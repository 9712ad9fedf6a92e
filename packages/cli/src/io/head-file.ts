import { fail } from "@tessera/core/base/error";
import { f32 } from "@tessera/core/graph/tensor";
import { MLP_ACTIVATIONS, type MlpLayer } from "@tessera/core/passes/fuse-head";

/** Largest file of head weights, characters. */
const MAX_CHARACTERS = 1 << 26;
/** Layers at most, and numbers in a row or a column of one. */
const MAX_LAYERS = 16;
const MAX_WIDTH = 65_536;

/**
 * Reads the layers of a head: `{"layers": [{"weight": [[...], ...], "bias": [...], "activation": "relu"}]}`, one row of weights for each number that comes
 * out. Bias and activation may be left out.
 *
 * @throws MALFORMED naming the place, LIMIT_EXCEEDED
 */
export function parseHeadWeights(text: string): readonly MlpLayer[] {
  if (text.length > MAX_CHARACTERS)
    throw fail("LIMIT_EXCEEDED", `Cannot read head weights: ${text.length} characters, more than ${MAX_CHARACTERS}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail("MALFORMED", "Cannot read head weights: they are not JSON", { cause });
  }
  const { layers } = objectOf(value, "the file", ["layers"]);
  return listOf(layers, "layers", MAX_LAYERS).map((layer, i) => {
    const { weight, bias, activation = "none" } = objectOf(layer, `layers[${i}]`, ["weight", "bias", "activation"]);
    const rows = listOf(weight, `layers[${i}].weight`, MAX_WIDTH).map((row, r) => numbersOf(row, `layers[${i}].weight[${r}]`));
    const width = rows[0]?.length ?? 0;
    const odd = rows.findIndex((row) => row.length !== width);
    if (odd >= 0) throw bad(`layers[${i}].weight[${odd}]`, `has ${rows[odd]?.length} numbers, the first row has ${width}`);
    const known = MLP_ACTIVATIONS.find((a) => a === activation);
    if (known === undefined) throw bad(`layers[${i}].activation`, `must be one of ${MLP_ACTIVATIONS.join(", ")}`);
    const offsets = bias === undefined ? undefined : numbersOf(bias, `layers[${i}].bias`);
    if (offsets !== undefined && offsets.length !== rows.length)
      throw bad(`layers[${i}].bias`, `has ${offsets.length} numbers for ${rows.length} rows`);
    return {
      weight: f32([rows.length, width], Float32Array.from(rows.flat())),
      ...(offsets === undefined ? {} : { bias: f32([offsets.length], offsets) }),
      activation: known,
    };
  });
}

function bad(place: string, why: string): Error {
  return fail("MALFORMED", `Cannot read head weights: ${place} ${why}`);
}

function objectOf(value: unknown, place: string, keys: readonly string[]): { readonly [key: string]: unknown } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(place, "must be an object");
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw bad(place, `has an unknown field "${unknown.slice(0, 60)}"`);
  return Object.assign(Object.create(null), value) as { readonly [key: string]: unknown };
}

function listOf(value: unknown, place: string, most: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw bad(place, "must be a list with something in it");
  if (value.length > most)
    throw fail("LIMIT_EXCEEDED", `Cannot read head weights: ${place} has ${value.length} entries, more than ${most}`);
  return value;
}

function numbersOf(value: unknown, place: string): readonly number[] {
  return listOf(value, place, MAX_WIDTH).map((entry, i) => {
    if (typeof entry !== "number" || !Number.isFinite(Math.fround(entry)))
      throw bad(`${place}[${i}]`, "must be a number that float32 has");
    return entry;
  });
}
