import type { GraphDraft } from "../graph/draft.ts";
import type { Attribute, Graph, Node } from "../graph/model.ts";
import type { AttrSpec } from "../ops/row.ts";
import { opRow } from "../ops/table.ts";
import { uniformValue } from "./values.ts";

/** Operators whose two inputs may be swapped. */
const COMMUTATIVE: ReadonlySet<string> = new Set(["Add", "Mul", "Max", "Min", "And", "Or", "Xor", "Equal"]);

/** What the names of a pattern stand for. */
export interface Bindings {
  /** Graph value by pattern name. */
  readonly values: ReadonlyMap<string, string>;
  /** Graph node by pattern name of each of its outputs. */
  readonly nodes: ReadonlyMap<string, Node>;
}

/**
 * Looks for a pattern whose last node is `anchor`, walking from outputs to inputs; operands of commutative operators are tried both ways. Nothing is
 * asked about readers of inner values here.
 */
export function matchPattern(draft: GraphDraft, pattern: Graph, anchor: Node): Bindings | undefined {
  const last = pattern.nodes.at(-1) as Node;
  const search = new Search(draft, pattern);
  return search.node(last, anchor, { values: new Map(), nodes: new Map() })[0];
}

/** One search; alternatives are carried as lists, which stay short because patterns are small. */
class Search {
  private readonly draft: GraphDraft;
  private readonly pattern: Graph;
  private readonly makers = new Map<string, Node>();

  constructor(draft: GraphDraft, pattern: Graph) {
    this.draft = draft;
    this.pattern = pattern;
    for (const node of pattern.nodes) for (const output of node.outputs) this.makers.set(output, node);
  }

  node(wanted: Node, found: Node, so: Bindings): readonly Bindings[] {
    if (wanted.op !== found.op || wanted.domain !== found.domain || !sameAttributes(wanted, found)) return [];
    const known = so.nodes.get(wanted.outputs[0] as string);
    if (known !== undefined) return known.name === found.name ? [so] : [];
    const count = trimmed(found.inputs);
    if (trimmed(wanted.inputs) !== count) return [];
    const values = new Map(so.values);
    const nodes = new Map(so.nodes);
    wanted.outputs.forEach((output, i) => {
      values.set(output, found.outputs[i] ?? "");
      nodes.set(output, found);
    });
    const start: Bindings = { values, nodes };
    const orders = [wanted.inputs];
    if (count === 2 && COMMUTATIVE.has(wanted.op)) orders.push([...wanted.inputs].reverse());
    return orders.flatMap((inputs) =>
      inputs.reduce<readonly Bindings[]>(
        (alternatives, name, i) => alternatives.flatMap((so) => this.value(name, found.inputs[i] ?? "", so)),
        [start],
      ),
    );
  }

  private value(wanted: string, found: string, so: Bindings): readonly Bindings[] {
    if (wanted === "" || found === "") return wanted === found ? [so] : [];
    const literal = this.pattern.constants.get(wanted);
    if (literal !== undefined) return this.isLiteral(wanted, found) ? [so] : [];
    const maker = this.makers.get(wanted);
    if (maker === undefined) {
      const known = so.values.get(wanted);
      if (known !== undefined) return known === found ? [so] : [];
      return [{ ...so, values: new Map(so.values).set(wanted, found) }];
    }
    const producer = this.draft.producer(found);
    if (producer === undefined || producer.outputs.indexOf(found) !== maker.outputs.indexOf(wanted)) return [];
    return this.node(maker, producer, so);
  }

  /** Same type and one value throughout: equal, or for floats equal up to the last digits of a float32. */
  private isLiteral(wanted: string, found: string): boolean {
    const literal = this.pattern.constants.get(wanted);
    const constant = this.draft.constant(found);
    if (literal === undefined || constant === undefined || literal.dtype !== constant.dtype) return false;
    const a = uniformValue(this.draft, found);
    const b = uniformOf(this.pattern, wanted);
    // Integer lists (axes, shapes) are compared as they stand.
    if (literal.shape.length > 0)
      return constant.shape.join() === literal.shape.join() && sameBytes(literal.bytes, constant.bytes);
    if (a === undefined || b === undefined) return false;
    return Object.is(a, b) || Math.abs(a - b) <= 4e-7 * Math.abs(b);
  }
}

function uniformOf(pattern: Graph, name: string): number | undefined {
  return uniformValue({ constant: (n: string) => pattern.constants.get(n) } as GraphDraft, name);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Number of inputs without absent ones at the end. */
function trimmed(inputs: readonly string[]): number {
  let count = inputs.length;
  while (count > 0 && inputs[count - 1] === "") count--;
  return count;
}

function sameAttributes(wanted: Node, found: Node): boolean {
  const specs: Readonly<Record<string, AttrSpec>> = opRow(found)?.attributes ?? {};
  for (const [name, attribute] of found.attributes) {
    if (wanted.attributes.has(name)) continue;
    const fallback = Object.hasOwn(specs, name) ? specs[name]?.fallback : undefined;
    if (fallback === undefined || !equals(attribute, fallback)) return false;
  }
  for (const [name, attribute] of wanted.attributes) {
    if (attribute.kind === "string" && attribute.value === "*") continue;
    const own = found.attributes.get(name);
    const fallback = Object.hasOwn(specs, name) ? specs[name]?.fallback : undefined;
    const value = own === undefined ? fallback : plain(own);
    if (value === undefined || !equals(attribute, value)) return false;
  }
  return true;
}

function plain(attribute: Attribute): AttrSpec["fallback"] {
  switch (attribute.kind) {
    case "int":
      return Number(attribute.value);
    case "ints":
      return attribute.value.map(Number);
    case "float":
    case "floats":
    case "string":
    case "strings":
      return attribute.value;
    default:
      return undefined;
  }
}

function equals(attribute: Attribute, value: NonNullable<AttrSpec["fallback"]>): boolean {
  const own = plain(attribute);
  if (own === undefined) return false;
  if (typeof own === "number" && typeof value === "number")
    return own === value || Math.abs(own - value) <= 4e-7 * Math.abs(value);
  return JSON.stringify(own) === JSON.stringify(value);
}
