import { GraphDraft } from "../graph/draft.ts";
import type { Model, Node } from "../graph/model.ts";
import { REGRID_KEY } from "../graph/node.ts";
import type { NodeChoice } from "../graph/plan.ts";
import { boundsOf, isKernelBound } from "../targets/bounds.ts";
import { dataInputs, ruleOf } from "../targets/rules.ts";
import { schemeOf, withScheme } from "../targets/scheme.ts";
import type { OperatorRule, Target } from "../targets/target.ts";
import { floatReason } from "./float-reason.ts";
import { type FixedGrid, GridGroups } from "./grid-groups.ts";
import { findNormTail } from "./norm-tail.ts";

/** A weight (and bias) that one node owns. */
export interface WeightPlace {
  readonly node: string;
  readonly op: string;
  readonly weight: string;
  readonly bias: string | undefined;
  /** The activation that is multiplied with the weight. */
  readonly input: string;
}

/** A node whose kernel needs one grid where its inputs have several that cannot become one. */
export interface GridConflict {
  readonly node: string;
  /** Inputs to move onto another grid first, by position, so that the rest can have one. */
  readonly cut: readonly number[];
}

/** Where a target's rules put integers in a graph, before any number was seen. */
export interface Placement {
  /** Activations that get an encoding of their own or that of their group, in graph order. */
  readonly activations: readonly string[];
  /** Activations that must share the encoding of another one, because integers pass through unchanged: name -> whose. */
  readonly shared: ReadonlyMap<string, string>;
  /** Activations and operands that kernels need on one grid. No value is in two groups. */
  readonly groups: readonly (readonly string[])[];
  /** Activations with an encoding that the target fixes. */
  readonly fixed: ReadonlyMap<string, FixedGrid>;
  /** Constants that are quantized like activations (an operand of Add or Mul). */
  readonly operands: readonly string[];
  readonly weights: readonly WeightPlace[];
  /** Every node of the graph with what it computes in, and why. */
  readonly choices: ReadonlyMap<string, NodeChoice>;
  /** Activations and operands with 16 bits in a network of 8-bit ones; absent when there are none. */
  readonly wide?: ReadonlySet<string>;
  /** Nodes left in float because of their inputs' grids; none in a model that went through `prepareForIntegers`. */
  readonly conflicts: readonly GridConflict[];
}

/** Options of {@link placeIntegers}. */
export interface PlacementOptions {
  /** Nodes that the caller keeps in float: name -> why. */
  readonly keepFloat?: ReadonlyMap<string, string>;
  /** Nodes that compute with 16-bit activations among those with 8 bits, as `widenNodes` gives them for this model. */
  readonly wideNodes?: ReadonlySet<string>;
}

/** What grows while {@link placeIntegers} goes through the graph. */
interface Walk {
  readonly target: Target;
  readonly draft: GraphDraft;
  readonly encoded: Set<string>;
  readonly shared: Map<string, string>;
  readonly groups: GridGroups;
  readonly operands: Set<string>;
  readonly weights: WeightPlace[];
  readonly conflicts: GridConflict[];
  /** Values that some integer kernel computes with, if only after they were moved. */
  readonly wanted: ReadonlySet<string>;
}

/** What became of a node: integers, with the reason; or float, with the reason. */
type Placed = { readonly integer: string } | { readonly float: string };

/**
 * Goes through a graph in order and asks the target's operator table what becomes integer. Subgraphs stay in float, and so does a final
 * normalisation to unit length.
 *
 * Values between a node and the Relu or Clip that vanishes into its range get no encoding, only the value after it does.
 */
export function placeIntegers(model: Model, target: Target, options: PlacementOptions = {}): Placement {
  const { graph } = model;
  const draft = new GraphDraft(graph);
  const kept = keptInFloat(model, target, options);
  const { wideNodes } = options;
  const wideTarget = wideNodes === undefined || wideNodes.size === 0 ? target : withScheme(target, "int16x8");
  const targetOf = (node: Node): Target => (wideNodes?.has(node.name) ? wideTarget : target);
  const choices = new Map<string, NodeChoice>();
  const walk: Walk = {
    target,
    draft,
    encoded: new Set(),
    shared: new Map(),
    groups: new GridGroups(),
    operands: new Set(),
    weights: [],
    conflicts: [],
    wanted: wantedValues(graph.nodes, targetOf, draft, kept),
  };
  const wide = new Set<string>();
  for (const node of graph.nodes) {
    const own = targetOf(node);
    const rule = ruleOf(node, own);
    const why = kept.get(node.name) ?? floatReason(node, rule, draft);
    const placed: Placed =
      why !== undefined || rule === undefined
        ? { float: why ?? `${target.id} lists no integer kernel for ${node.op}` }
        : place(node, rule, own === target ? walk : { ...walk, target: own });
    if ("integer" in placed && own !== target) for (const name of touchedBy(node, own)) wide.add(name);
    choices.set(
      node.name,
      "integer" in placed ? { precision: schemeOf(own), reason: placed.integer } : { precision: "float32", reason: placed.float },
    );
  }
  const { encoded, shared, groups, operands, weights, conflicts } = walk;
  const fixed = new Map<string, FixedGrid>();
  for (const name of [...encoded, ...operands]) {
    const grid = groups.of(name).fixed;
    if (grid !== undefined) fixed.set(name, grid);
  }
  return {
    activations: [...encoded],
    shared,
    groups: groups.joined().map((g) => g.members),
    fixed,
    operands: [...operands],
    weights,
    choices,
    ...(wide.size === 0 ? {} : { wide }),
    conflicts,
  };
}

/** Activations and operands of a node that computes with 16 bits; of a step from 8 bits to 16, what it makes. */
function touchedBy(node: Node, target: Target): readonly string[] {
  const rule = ruleOf(node, target);
  if (rule === undefined || node.metadata?.has(REGRID_KEY)) return node.outputs;
  return [...dataInputs(node, rule).map((i) => node.inputs[i] as string), ...node.outputs];
}

/** Nodes that stay in float whatever stands around them: those of the caller, and normalisations at the end where the target says so. */
function keptInFloat(model: Model, target: Target, options: PlacementOptions): ReadonlyMap<string, string> {
  const rule = Object.hasOwn(target.operators, "LpNormalization") ? target.operators["LpNormalization"] : undefined;
  const why = rule?.kind === "integer" ? rule.floatAtOutput : undefined;
  if (why === undefined) return options.keepFloat ?? new Map();
  return new Map([...[...findNormTail(model)].map((name) => [name, why] as const), ...(options.keepFloat ?? [])]);
}

/** Values that reach an integer kernel through nothing but moves. */
function wantedValues(
  nodes: readonly Node[],
  targetOf: (node: Node) => Target,
  draft: GraphDraft,
  kept: ReadonlyMap<string, string>,
): ReadonlySet<string> {
  const wanted = new Set<string>();
  for (const node of [...nodes].reverse()) {
    const rule = ruleOf(node, targetOf(node));
    if (rule === undefined || kept.has(node.name) || floatReason(node, rule, draft) !== undefined) continue;
    if (rule.kind === "integer" || node.outputs.some((name) => wanted.has(name)))
      for (const index of dataInputs(node, rule)) wanted.add(node.inputs[index] as string);
    // A computed factor is quantized like the other one.
    if (rule.kind === "integer" && rule.weight !== undefined) wanted.add(node.inputs[rule.weight] ?? "");
  }
  return wanted;
}

function place(node: Node, rule: OperatorRule, walk: Walk): Placed {
  if (node.op === walk.target.requantize && node.metadata?.has(REGRID_KEY)) return placeRegrid(node, walk);
  switch (rule.kind) {
    case "float":
      return { float: rule.why };
    case "absorbed":
      return placeAbsorbed(node, rule, walk);
    case "through":
      return placeThrough(node, walk);
    case "equal":
      return placeEqual(node, rule, walk);
    case "integer":
      return placeInteger(node, rule, walk);
  }
}

function isQuantized(name: string, { encoded, shared }: Walk): boolean {
  return encoded.has(name) || shared.has(name);
}

/** Whether a value is quantized here, or is an input that the runtime quantizes at its border because integer kernels want it. */
function takeInput(name: string, node: Node, walk: Walk): boolean {
  if (isQuantized(name, walk)) return true;
  const { target, draft, wanted, encoded } = walk;
  if (target.quantizesInputs !== true || !draft.isInput(name) || !node.outputs.some((o) => wanted.has(o))) return false;
  encoded.add(name);
  return true;
}

/** The value whose encoding a value has. */
function ownerOf(name: string, { shared }: Walk): string {
  return shared.get(name) ?? name;
}

function placeThrough(node: Node, walk: Walk): Placed {
  const input = node.inputs[0] as string;
  if (!takeInput(input, node, walk)) return { float: "its input is not quantized" };
  share(node, input, walk);
  return { integer: "moves integers without touching them" };
}

function placeRegrid(node: Node, walk: Walk): Placed {
  if (!isQuantized(node.inputs[0] as string, walk)) return { float: "its input is not quantized" };
  const output = node.outputs[0] as string;
  walk.encoded.add(output);
  walk.groups.bend(output);
  return { integer: "moves integers onto another grid" };
}

function share(node: Node, input: string, walk: Walk): void {
  for (const name of node.outputs) if (name !== "") walk.shared.set(name, ownerOf(input, walk));
}

function placeEqual(node: Node, rule: OperatorRule, walk: Walk): Placed {
  const { draft, groups, encoded, operands, conflicts, target } = walk;
  const positions = dataInputs(node, rule);
  const names = positions.map((i) => node.inputs[i] as string);
  const computed = names.filter((name) => draft.constant(name) === undefined);
  if (!computed.some((name) => takeInput(name, node, walk))) return { float: "its input is not quantized" };
  const owners = names.map((name) => ownerOf(name, walk));
  const cut = misfits(owners, groups);
  if (cut.length > 0) {
    conflicts.push({ node: node.name, cut: cut.map((i) => positions[i] as number) });
    return {
      float: `${target.id} computes ${node.op} on one grid, and ${cut.map((i) => names[i]).join(", ")} cannot have that of the rest`,
    };
  }
  names.forEach((name, i) => {
    if (draft.constant(name) !== undefined) operands.add(name);
    else if (!isQuantized(name, walk)) encoded.add(name);
    groups.join(owners[0] as string, owners[i] as string);
  });
  share(node, computed[0] as string, walk);
  return { integer: names.length > 1 ? "computes on the one grid of its inputs" : "computes on the grid of its input" };
}

/**
 * Which of some values must be moved onto another grid so that the rest can share one: all with a grid of their own when others are free; of several
 * fixed grids, all but the coarsest, which loses a fraction of a bit where the finer ones would clip.
 */
function misfits(owners: readonly string[], groups: GridGroups): readonly number[] {
  const indices = owners.map((_, i) => i).filter((i) => !groups.of(owners[i] as string).pliable);
  const [first] = indices;
  if (first === undefined || indices.every((i) => groups.fits(owners[first] as string, owners[i] as string))) return [];
  const isBound = (i: number): boolean => groups.of(owners[i] as string).bounded;
  const stepOf = (i: number): number | undefined => groups.of(owners[i] as string).fixed?.scale;
  if (indices.some((i) => !isBound(i) && stepOf(i) === undefined))
    return indices.filter((i) => isBound(i) || stepOf(i) !== undefined);
  const coarsest = indices.reduce((a, b) => ((stepOf(b) ?? 0) > (stepOf(a) ?? 0) ? b : a));
  return indices.filter((i) => !groups.fits(owners[coarsest] as string, owners[i] as string));
}

function placeAbsorbed(node: Node, rule: OperatorRule & { readonly kind: "absorbed" }, walk: Walk): Placed {
  const { draft, encoded, target, groups } = walk;
  const input = node.inputs[0] as string;
  const output = node.outputs[0] as string;
  const maker = draft.producer(input);
  const known = isKernelBound(
    boundsOf(node, (name) => draft.constant(name)),
    target,
  );
  // A value that only moves, or whose grid is fixed, has no range that the bound could become.
  const vanishes =
    makesRange(maker, known, target) &&
    encoded.has(input) &&
    draft.onlyConsumer(input)?.name === node.name &&
    maker !== undefined;
  if (vanishes) {
    encoded.delete(input);
    encoded.add(output);
    if (target.absorbs !== undefined && !known) groups.bound(output);
    return { integer: `vanishes into the range of ${maker.op} before it` };
  }
  if (rule.alone === undefined) return { float: `no integer node of its own stands before this ${node.op}` };
  if (!takeInput(input, node, walk)) return { float: "its input is not quantized" };
  if (known) {
    encoded.add(output);
    return { integer: `${target.id} has an integer kernel for ${node.op} alone` };
  }
  share(node, input, walk);
  return { integer: `bounds integers on the grid of its input` };
}

/** Whether a node's output has a range of its own, or a kernel of its own, that a Relu or Clip behind it may vanish into. */
function makesRange(maker: Node | undefined, known: boolean, target: Target): boolean {
  if (maker === undefined) return false;
  const rule = ruleOf(maker, target);
  if (target.absorbs !== undefined)
    return target.absorbs.operators.includes(maker.op) && (known || !target.activations.symmetric);
  if (target.activations.symmetric) return false;
  return rule?.kind === "absorbed" || (rule?.kind === "integer" && rule.fixedOutput === undefined);
}

function placeInteger(node: Node, rule: OperatorRule & { readonly kind: "integer" }, walk: Walk): Placed {
  const { target, draft, encoded, shared, operands, weights, groups } = walk;
  const output = node.outputs[0] as string;
  node.inputs.forEach((name, index) => {
    const isArgument = (rule.over === "first" && index > 0) || (node.op === "Where" && index === 0);
    if (name === "" || index === rule.bias || isArgument) return;
    if (draft.constant(name) !== undefined) {
      if (index !== rule.weight) operands.add(name);
    } else if (!shared.has(name)) encoded.add(name);
  });
  if (rule.weight !== undefined && draft.constant(node.inputs[rule.weight] ?? "") !== undefined) {
    const bias = rule.bias === undefined || target.weights.floatBias ? undefined : node.inputs[rule.bias] || undefined;
    weights.push({
      node: node.name,
      op: node.op,
      weight: node.inputs[rule.weight] as string,
      bias,
      input: node.inputs[0] as string,
    });
  }
  encoded.add(output);
  if (rule.fixedOutput !== undefined) groups.fix(output, rule.fixedOutput);
  return { integer: `${target.id} has an integer kernel for ${node.op}` };
}
