import { fail } from "@tessera/core/base/error";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import type { GraphProto, ValueInfoProto } from "@tessera/core/formats/onnx/records";
import { writeOnnx } from "@tessera/core/formats/onnx/write";

function symbolsOf(graph: GraphProto): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { type } of [...(graph.input ?? []), ...(graph.output ?? [])]) {
    for (const { dimParam } of type?.tensorType?.shape?.dim ?? []) if (dimParam) names.add(dimParam);
  }
  return names;
}

function fixed(value: ValueInfoProto, dims: ReadonlyMap<string, number>): ValueInfoProto {
  const tensorType = value.type?.tensorType;
  const dim = tensorType?.shape?.dim;
  if (!dim?.some((d) => d.dimParam !== undefined && dims.has(d.dimParam))) return value;
  const sizes = dim.map((d) => {
    const dimValue = d.dimParam === undefined ? undefined : dims.get(d.dimParam);
    return dimValue === undefined ? d : { dimValue };
  });
  return { ...value, type: { ...value.type, tensorType: { ...tensorType, shape: { dim: sizes } } } };
}

/**
 * The `.onnx` file with sizes in place of symbols. We do it ourselves because the native binding (1.30) has no such option: it takes
 * `freeDimensionOverrides` without a word and ignores it. @throws RUNTIME_FAILED for a name that no input or output has, or a size that is
 * none; what `readOnnx` throws, so that only `.onnx` files can be changed.
 */
export function fixDims(bytes: Uint8Array, dims: ReadonlyMap<string, number>): Uint8Array {
  const model = readOnnx(bytes);
  const graph = model.graph ?? {};
  const known = symbolsOf(graph);
  for (const [name, size] of dims) {
    if (!(Number.isSafeInteger(size) && size >= 0))
      throw fail("RUNTIME_FAILED", `Cannot load a model: dimension ${name} must be a whole number, not ${size}`);
    if (known.has(name)) continue;
    const has = known.size ? `only ${[...known].join(", ")}` : "nor any other with a name";
    throw fail("RUNTIME_FAILED", `Cannot load a model: it has no dimension ${name} to set, ${has}`);
  }
  const all = (values: readonly ValueInfoProto[] | undefined) => values?.map((v) => fixed(v, dims));
  const { input, output, valueInfo, ...rest } = graph;
  return writeOnnx({
    ...model,
    graph: {
      ...rest,
      ...(input ? { input: all(input) as ValueInfoProto[] } : {}),
      ...(output ? { output: all(output) as ValueInfoProto[] } : {}),
      ...(valueInfo ? { valueInfo: all(valueInfo) as ValueInfoProto[] } : {}),
    },
  });
}
