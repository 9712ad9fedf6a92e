import { fail } from "../base/error.ts";
import type { Dim } from "../graph/dim.ts";
import type { Graph, Model, Node, ValueInfo } from "../graph/model.ts";
import { tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import type { Tensor } from "../graph/tensor.ts";
import { verifyModel } from "../graph/verify.ts";
import { inferTypes } from "../ops/infer-types.ts";
import { alignBatches } from "./fuse-batch.ts";
import { buildHead, type FuseHead, type HeadInput } from "./fuse-head.ts";
import { type NamedModel, nodeNames, type PartRenames, renamedGraph, renamesFor, valueNames } from "./fuse-names.ts";
import { shareConstants } from "./merge-duplicates.ts";
import { ALLOW_ALL } from "./pass.ts";

/** A model that becomes a branch of a fused one. */
export interface FusePart extends NamedModel {
  /** The output that goes into the head; its only one unless given. */
  readonly embedding?: string;
  /** Share of its cosine in the fused one; all count the same unless given. */
  readonly weight?: number;
}

/** Options of {@link fuseModels}. */
export interface FuseOptions {
  readonly head: FuseHead;
  /** The batch that all parts are brought to. Unless given: see {@link alignBatches} with a head, and left as it is without. */
  readonly batch?: Dim;
  /** Name of the head's output. */
  readonly output: string;
  /** Whether the outputs of the parts stay outputs beside the head's. */
  readonly branches: boolean;
}

/** Defaults of {@link fuseModels}. */
export const FUSE_DEFAULTS = { head: { kind: "concat" }, output: "fused", branches: true } as const satisfies FuseOptions;

/** Where a part is in the fused graph. */
export interface FusedPart {
  readonly name: string;
  /** Names in the fused graph by those in the part, of inputs and outputs. */
  readonly inputs: ReadonlyMap<string, string>;
  readonly outputs: ReadonlyMap<string, string>;
  /** The part as it was fused, in its own names: brought to the common batch. What the fused graph must equal. */
  readonly model: Model;
  /** Its output that went into the head, in its own name; where in the concatenation it lies, and the weight of its cosine. */
  readonly embedding?: { readonly output: string; readonly offset: number; readonly dimension: number; readonly weight: number };
}

/** Models in one graph. */
export interface FusedModel {
  readonly model: Model;
  readonly parts: readonly FusedPart[];
  /** The head's output. */
  readonly head?: { readonly output: string; readonly dimension: number };
  readonly notes: readonly string[];
}

/**
 * Merges two or more models into one graph whose branches do not touch before the head. All have the canonical opset already. Names change only where two
 * parts have them in common ({@link renamesFor}); weights that are the same, bit for bit, are kept once.
 *
 * @throws GRAPH_INVALID for parts without or with the same names, fewer than two, or functions of their own; SHAPE_MISMATCH, DATA_MISSING for an embedding
 *   that a head cannot take; UNSUPPORTED_OPSET for two versions of one operator domain
 * @example
 * const { model } = fuseModels([{ name: "face", model: face }, { name: "voice", model: voice }], { head: { kind: "concat" } });
 */
export function fuseModels(given: readonly FusePart[], options: Partial<FuseOptions> = {}): FusedModel {
  const { head, output, branches, batch } = { ...FUSE_DEFAULTS, ...options };
  checkParts(given);
  const needsBatch = head.kind !== "none" || batch !== undefined;
  const typed = given.map((part) => ({ ...part, model: inferTypes(part.model) }));
  const aligned = needsBatch ? alignBatches(typed, batch) : undefined;
  const parts = typed.map((part, i) => ({ ...part, model: aligned?.parts[i]?.model ?? part.model }));
  const renames = renamesFor(parts, new Set(aligned === undefined ? [] : [String(aligned.batch)]));
  const graphs = parts.map((part, i) => renamedGraph(part.model.graph, renames[i] as PartRenames));
  const joined = joinedGraph(
    graphs,
    parts.map((p) => p.name),
  );
  const headed = head.kind === "none" ? undefined : withHead(joined, parts, renames, { head, output, branches });
  const model = inferTypes(joinedModel(parts, headed?.graph ?? joined));
  verifyModel(model);
  const shared = shareConstants().run(model, ALLOW_ALL);
  const kept = shared.report.changes.length;
  return {
    model: shared.model,
    parts: parts.map((part, i) => fusedPart(part, renames[i] as PartRenames, headed?.embeddings[i])),
    ...(headed === undefined ? {} : { head: { output: headed.output, dimension: headed.dimension } }),
    notes: [...(aligned?.notes ?? []), ...(kept === 0 ? [] : [`${kept} constants are the same as others and were stored once`])],
  };
}

function checkParts(parts: readonly FusePart[]): void {
  const names = parts.map((part) => part.name);
  if (parts.length < 2) throw fail("GRAPH_INVALID", `Cannot fuse ${parts.length} models: two are the least`);
  const bad = names.find((name, i) => !/^[A-Za-z][A-Za-z0-9_-]{0,31}$/.test(name) || names.indexOf(name) !== i);
  if (bad !== undefined)
    throw fail(
      "GRAPH_INVALID",
      `Cannot fuse a part called "${bad}": parts need names of their own, of letters, digits, dashes and underscores`,
    );
  for (const { name, model, weight = 1 } of parts) {
    if (!(weight > 0 && Number.isFinite(weight)))
      throw fail("GRAPH_INVALID", `Cannot give ${name} the weight ${weight}: it must be above 0`);
    // What a file carries beyond its graph is dropped: remarks may be, functions that are called may not.
    const { functions = [] } = (model.carried ?? {}) as { readonly functions?: readonly unknown[] };
    if (functions.length > 0)
      throw fail(
        "GRAPH_INVALID",
        `Cannot fuse ${name}: it calls ${functions.length} functions that its file defines, which cannot be taken into another`,
      );
  }
}

function joinedGraph(graphs: readonly Graph[], names: readonly string[]): Graph {
  return {
    name: names.join("+"),
    inputs: graphs.flatMap((g) => g.inputs),
    outputs: graphs.flatMap((g) => g.outputs),
    nodes: graphs.flatMap((g) => g.nodes),
    constants: new Map(graphs.flatMap((g) => [...g.constants])),
    types: new Map(graphs.flatMap((g) => [...g.types])),
  };
}

function joinedModel(parts: readonly NamedModel[], graph: Graph): Model {
  const domains = new Map<string, number>();
  for (const { name, model } of parts)
    for (const [domain, version] of model.domains) {
      const other = domains.get(domain);
      if (other !== undefined && other !== version)
        throw fail("UNSUPPORTED_OPSET", `Cannot fuse ${name}: it has ${domain} in version ${version}, another part in ${other}`);
      domains.set(domain, version);
    }
  const metadata = new Map<string, string>();
  for (const { name, model } of parts)
    for (const [key, value] of model.metadata) {
      const same = parts.every((part) => (part.model.metadata.get(key) ?? value) === value);
      metadata.set(same ? key : `${name}.${key}`, value);
    }
  return { kind: "model", graph, domains, metadata, producer: { name: "tessera", version: "" }, source: { format: "built" } };
}

interface Headed {
  readonly graph: Graph;
  readonly output: string;
  readonly dimension: number;
  readonly embeddings: readonly NonNullable<FusedPart["embedding"]>[];
}

function withHead(
  graph: Graph,
  parts: readonly FusePart[],
  renames: readonly PartRenames[],
  options: Pick<FuseOptions, "output" | "branches"> & { readonly head: Exclude<FuseHead, { readonly kind: "none" }> },
): Headed {
  const taken = new Set([...valueNames(graph), ...nodeNames(graph)]);
  const fresh = (wish: string): string => {
    let name = wish;
    while (taken.has(name)) name += "_";
    taken.add(name);
    return name;
  };
  const output = fresh(options.output);
  const total = parts.reduce((sum, part) => sum + (part.weight ?? 1), 0);
  const before: Node[] = [];
  const inputs: HeadInput[] = [];
  const embeddings: NonNullable<FusedPart["embedding"]>[] = [];
  let offset = 0;
  parts.forEach((part, i) => {
    const own = embeddingOf(part);
    const value = renames[i]?.values.get(own.output) ?? own.output;
    const flat = own.rank === 2 ? value : fresh(`${value}/flat`);
    if (flat !== value) before.push(makeNode("Flatten", { inputs: [value], outputs: [flat] }, { attributes: { axis: 1 } }));
    const weight = part.weight ?? 1;
    inputs.push({ value: flat, dimension: own.dimension, weight });
    embeddings.push({ output: own.output, offset, dimension: own.dimension, weight: weight / total });
    offset += own.dimension;
  });
  const { nodes, constants, dimension } = buildHead(options.head, inputs, { output, fresh });
  const info: ValueInfo = { name: output, type: tensorType("float32", undefined) };
  return {
    graph: {
      ...graph,
      outputs: [info, ...(options.branches ? graph.outputs : [])],
      nodes: [...graph.nodes, ...before, ...nodes],
      constants: new Map<string, Tensor>([...graph.constants, ...constants]),
    },
    output,
    dimension,
    embeddings,
  };
}

/** The embedding of a part: f32[N, D], or with further sizes that are flattened. */
function embeddingOf({ name, model, embedding }: FusePart): {
  readonly output: string;
  readonly rank: number;
  readonly dimension: number;
} {
  const { outputs } = model.graph;
  const output = embedding ?? (outputs.length === 1 ? outputs[0]?.name : undefined);
  if (output === undefined)
    throw fail(
      "DATA_MISSING",
      `Cannot tell which output of ${name} is its embedding: it has ${outputs.map((o) => o.name).join(", ")}`,
      {
        hint: "Name it with --embeddings, or give the model a card",
      },
    );
  const type = outputs.find((o) => o.name === output)?.type;
  if (type === undefined)
    throw fail("DATA_MISSING", `Cannot fuse output ${output} of ${name}: it has ${outputs.map((o) => o.name).join(", ")}`);
  const rest = type.kind === "tensor" ? type.shape?.slice(1) : undefined;
  const sizes = rest?.map((dim) => (typeof dim === "number" ? dim : Number.NaN)) ?? [];
  const dimension = sizes.length === 0 ? Number.NaN : sizes.reduce((product, size) => product * size, 1);
  if (type.kind !== "tensor" || type.dtype !== "float32" || !(dimension > 0))
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot fuse output ${output} of ${name}: it is ${type.kind === "tensor" ? `${type.dtype}[${type.shape ?? "..."}]` : "no tensor"}, and a head takes float32 [N, D]`,
    );
  return { output, rank: sizes.length + 1, dimension };
}

function fusedPart({ name, model }: FusePart, { values }: PartRenames, embedding: FusedPart["embedding"]): FusedPart {
  const named = (infos: readonly ValueInfo[]): ReadonlyMap<string, string> =>
    new Map(infos.map((info) => [info.name, values.get(info.name) ?? info.name]));
  return {
    name,
    model,
    inputs: named(model.graph.inputs.filter((input) => !model.graph.constants.has(input.name))),
    outputs: named(model.graph.outputs),
    ...(embedding === undefined ? {} : { embedding }),
  };
}
