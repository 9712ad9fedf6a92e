import { fail } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";
import type { Dim } from "./dim.ts";
import { DTYPES, type DType, isFloat } from "./dtype.ts";
import type { Attribute, Graph, Node, TensorType, ValueInfo, ValueType } from "./model.ts";
import { countOf, fromNumbers, stringTensor, type Tensor } from "./tensor.ts";
import { SHORT_DTYPES } from "./text-print.ts";

const LONG_DTYPES: ReadonlyMap<string, DType> = new Map([
  ...(Object.keys(DTYPES) as DType[]).map((d) => [d, d] as const),
  ...(Object.entries(SHORT_DTYPES) as [DType, string][]).map(([long, short]) => [short, long] as const),
]);

const TOKEN =
  /\s*(?:#[^\n]*\n\s*)*("(?:[^"\\]|\\.)*"|::|-?(?:inf|nan)\b|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w/.])|[\w./'@-]+|\.\.\.|[{}()[\],:=?;*+])/y;

class Tokens {
  private readonly text: string;
  private position = 0;

  constructor(text: string) {
    this.text = text;
  }

  private read(): { token: string; end: number } {
    TOKEN.lastIndex = this.position;
    const match = TOKEN.exec(this.text);
    if (match) return { token: match[1] as string, end: TOKEN.lastIndex };
    if (/^\s*(#[^\n]*\s*)*$/.test(this.text.slice(this.position))) return { token: "", end: this.text.length };
    throw this.problem(`"${this.text.slice(this.position, this.position + 12).trim()}" is no token`);
  }

  peek(): string {
    return this.read().token;
  }

  /** Takes the next token; the end of the text is never one, so that no loop can run past it. */
  next(): string {
    const { token, end } = this.read();
    if (token === "") throw this.problem("the text ends too early");
    this.position = end;
    return token;
  }

  /** Takes the token if it is next. */
  accept(token: string): boolean {
    if (this.peek() !== token) return false;
    this.next();
    return true;
  }

  expect(token: string): void {
    const found = token === "" ? this.peek() : this.next();
    if (found !== token) throw this.problem(`expected "${token}", found "${found}"`);
  }

  problem(why: string): Error {
    const line = this.text.slice(0, this.position).split("\n").length;
    return fail("TEXT_SYNTAX", `Cannot parse line ${line} of the graph text: ${why}`, { at: { offset: this.position } });
  }
}

const INTEGER = /^-?\d+$/;
const NUMBER = /^-?(\d|inf|nan)/;

function toNumber(token: string): number {
  return token === "inf"
    ? Number.POSITIVE_INFINITY
    : token === "-inf"
      ? Number.NEGATIVE_INFINITY
      : token.endsWith("nan")
        ? Number.NaN
        : Number(token);
}

function parseType(t: Tokens): ValueType {
  const name = t.next();
  if (name === "opaque") return { kind: "opaque", record: undefined };
  const dtype = LONG_DTYPES.get(name);
  if (dtype === undefined) throw t.problem(`"${name}" is no element type`);
  t.expect("[");
  if (t.accept("...")) {
    t.expect("]");
    return { kind: "tensor", dtype, shape: undefined };
  }
  const shape: Dim[] = [];
  let text = "";
  for (let depth = 0; ; ) {
    const token = t.next();
    if (token === "") throw t.problem("the shape has no end");
    if ((token === "]" || token === ",") && depth === 0) {
      if (text !== "") shape.push(INTEGER.test(text) ? Number(text) : text);
      text = "";
      if (token === "]") break;
      continue;
    }
    if (token === "(") depth++;
    if (token === ")") depth--;
    text += token === "+" || token === "-" || token === "/" ? ` ${token} ` : token;
  }
  return { kind: "tensor", dtype, shape };
}

/** Values of a constant that is given by type only: small and well-behaved, and the same for the same name and type. */
function madeUp(name: string, type: TensorType, t: Tokens): Tensor {
  const shape = type.shape?.map((d) => {
    if (typeof d !== "number") throw t.problem(`constant ${name} needs a shape of numbers`);
    return d;
  });
  if (shape === undefined) throw t.problem(`constant ${name} needs a shape`);
  let seed = 7;
  for (const char of name) seed = (seed * 31 + char.charCodeAt(0)) | 0;
  const random = seededRandom(seed);
  const values = Array.from({ length: countOf(shape) }, () => (isFloat(type.dtype) ? random.next() * 2 - 0.75 : random.int(5)));
  return fromNumbers(type.dtype, shape, values);
}

function parseTensor(name: string, t: Tokens): Tensor {
  const type = parseType(t);
  if (type.kind !== "tensor") throw t.problem("a constant must be a tensor");
  if (!t.accept("=")) return madeUp(name, type, t);
  t.expect("[");
  const tokens: string[] = [];
  while (!t.accept("]")) {
    tokens.push(t.next());
    t.accept(",");
  }
  const shape = (type.shape ?? []) as readonly number[];
  if (type.dtype === "string")
    return stringTensor(
      shape,
      tokens.map((s) => JSON.parse(s) as string),
    );
  return fromNumbers(type.dtype, shape, tokens.map(toNumber));
}

function parseList(t: Tokens): Attribute {
  const graphs: Graph[] = [];
  const tokens: string[] = [];
  while (!t.accept("]")) {
    if (t.peek() === "{") {
      t.next();
      graphs.push(parseBody(t, "}"));
    } else tokens.push(t.next());
    t.accept(",");
  }
  if (graphs.length > 0) return { kind: "graphs", value: graphs };
  if (tokens.length > 0 && tokens[0]?.startsWith('"'))
    return { kind: "strings", value: tokens.map((s) => JSON.parse(s) as string) };
  if (tokens.every((s) => INTEGER.test(s))) return { kind: "ints", value: tokens.map(Number) };
  return { kind: "floats", value: tokens.map((s) => Math.fround(toNumber(s))) };
}

function parseAttribute(t: Tokens): Attribute {
  const token = t.next();
  if (token === "{") return { kind: "graph", value: parseBody(t, "}") };
  if (token === "[") return parseList(t);
  if (token === "tensor") return { kind: "tensor", value: parseTensor("attribute", t) };
  if (token.startsWith('"')) return { kind: "string", value: JSON.parse(token) as string };
  if (INTEGER.test(token)) return { kind: "int", value: Number(token) };
  if (NUMBER.test(token)) return { kind: "float", value: Math.fround(toNumber(token)) };
  throw t.problem(`"${token}" is no attribute value`);
}

function parseBody(t: Tokens, end: string): Graph {
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const nodes: Node[] = [];
  const constants = new Map<string, Tensor>();
  const names = new Set<string>();
  for (;;) {
    if (t.accept("return")) {
      do {
        const name = t.next();
        if (t.accept(":")) constants.set(name, parseTensor(name, t));
        outputs.push({ name, type: { kind: "opaque", record: undefined } });
      } while (t.accept(","));
      t.expect(end);
      return { name: "graph", inputs, outputs, nodes, constants, types: new Map() };
    }
    const first = t.next();
    if (t.accept(":")) {
      inputs.push({ name: first, type: parseType(t) });
      continue;
    }
    const made = [first === "_" ? "" : first];
    while (t.accept(",")) {
      const name = t.next();
      made.push(name === "_" ? "" : name);
    }
    t.expect("=");
    let op = t.next();
    let domain = "";
    if (t.accept("::")) {
      domain = op;
      op = t.next();
    }
    t.expect("(");
    const reads: string[] = [];
    while (!t.accept(")")) {
      const name = t.next();
      if (t.accept(":")) constants.set(name, parseTensor(name, t));
      reads.push(name === "_" ? "" : name);
      t.accept(",");
    }
    const attributes = new Map<string, Attribute>();
    if (t.accept("{")) {
      while (!t.accept("}")) {
        const key = t.next();
        t.expect(":");
        attributes.set(key, parseAttribute(t));
        t.accept(",");
      }
    }
    let name = made.find((o) => o !== "") ?? op;
    for (let i = 1; names.has(name); i++) name = `${made[0]}_${i}`;
    names.add(name);
    nodes.push({ name, op, domain, inputs: reads, outputs: made, attributes });
  }
}

/**
 * Reads the text form of {@link import("./text-print.ts").printGraph}. Constants given by type only get values derived from their name. Output types
 * are left opaque, for inference to fill. Comments run from # to the end of the line.
 *
 * @throws TEXT_SYNTAX with the line
 */
export function parseGraph(text: string): Graph {
  return parseBody(new Tokens(text), "");
}
