import { attrFloat, attrInt } from "../../../graph/node.ts";
import { countOf, f32, type Tensor, toNumbers } from "../../../graph/tensor.ts";
import type { LegaliseRow, LegaliseSite, Verdict } from "./row.ts";

function transposed(t: Tensor, factor = 1): Tensor {
  const [rows, columns] = t.shape as [number, number];
  const data = toNumbers(t);
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = (data[r * columns + c] as number) * factor;
  return f32([columns, rows], out);
}

function scaled(t: Tensor, factor: number): Tensor {
  return f32(
    t.shape,
    Float32Array.from(toNumbers(t), (v) => v * factor),
  );
}

/** Whether a constant is one value for each of `columns`, or one for all. */
function isRow(t: Tensor, columns: number): boolean {
  const count = countOf(t.shape);
  if (t.dtype !== "float32" || (count !== 1 && count !== columns)) return false;
  return t.shape.slice(0, -1).every((size) => size === 1) && (count === 1 || t.shape.at(-1) === columns);
}

/** [columns] of a constant for which {@link isRow} holds. */
function asRow(t: Tensor, columns: number, factor: number): Tensor {
  const data = toNumbers(t);
  return f32(
    [columns],
    Float32Array.from({ length: columns }, (_, i) => (data[data.length === 1 ? 0 : i] as number) * factor),
  );
}

/** A weight [N, K] of a Gemm of the plain form, made of a constant [K, N] (or [N, K] already). */
function plainWeight(site: LegaliseSite, name: string, of: { readonly turn: boolean; readonly factor: number }): string {
  const constant = site.constant(name) as Tensor;
  if (!of.turn && of.factor === 1) return name;
  const made = site.tensor("weight", of.turn ? transposed(constant, of.factor) : scaled(constant, of.factor));
  if (of.factor === 1) site.sameNumbers(made, name, 0);
  return made;
}

function isWeight(site: LegaliseSite, name: string): boolean {
  const constant = site.constant(name);
  return constant?.dtype === "float32" && constant.shape.length === 2;
}

/** y = A W^T + c with constants W [N, K] and c [N]: what FULLY_CONNECTED computes. */
function gemm(site: LegaliseSite): Verdict {
  const { node } = site;
  const [a, b, c] = [site.input(0), site.input(1), site.input(2)];
  const [alpha, beta] = [attrFloat(node, "alpha", 1), attrFloat(node, "beta", 1)];
  const [transA, transB] = [attrInt(node, "transA", 0) !== 0, attrInt(node, "transB", 0) !== 0];
  const columns = site.shape(node.outputs[0] as string)[1] as number;
  const addend = c === "" ? undefined : site.constant(c);
  const fits = addend !== undefined && isRow(addend, columns);
  if (isWeight(site, b)) {
    const plain = transB && !transA && alpha === 1 && (c === "" || (fits && beta === 1 && addend.shape.length === 1));
    if (plain && (c === "" || countOf((addend as Tensor).shape) === columns)) return "keep";
    const left = transA ? site.op("Transpose", [a], { perm: [1, 0] }) : a;
    const inputs = [left, plainWeight(site, b, { turn: !transB, factor: alpha })];
    if (fits) {
      const bias = site.tensor("bias", asRow(addend, columns, beta));
      if (beta === 1 && countOf(addend.shape) === columns) site.sameNumbers(bias, c, 0);
      inputs.push(bias);
    }
    const product = site.op("Gemm", inputs, { transB: 1 });
    return site.finish(c === "" || fits ? product : plusScaled(site, product, { c, beta }));
  }
  const [left, right] = [
    transA ? site.op("Transpose", [a], { perm: [1, 0] }) : a,
    transB ? site.op("Transpose", [b], { perm: [1, 0] }) : b,
  ];
  let product = site.op("MatMul", [left, right]);
  if (alpha !== 1) product = site.op("Mul", [product, site.scalar(alpha)]);
  return site.finish(c === "" ? product : plusScaled(site, product, { c, beta }));
}

function plusScaled(site: LegaliseSite, product: string, of: { readonly c: string; readonly beta: number }): string {
  return site.op("Add", [product, of.beta === 1 ? of.c : site.op("Mul", [of.c, site.scalar(of.beta)])]);
}

/** Rows of the last axis times a constant matrix, plus a constant. */
function fullyConnected(site: LegaliseSite, of: { readonly a: string; readonly b: string; readonly bias?: Tensor }): string {
  const { a, b, bias } = of;
  const shape = site.shape(a);
  const [depth, columns] = site.shape(b) as [number, number];
  const rows = countOf(shape) / depth;
  const flat = shape.length === 2 ? a : site.op("Reshape", [a, site.list("rows", [rows, depth])]);
  if (flat !== a) site.sameNumbers(flat, a);
  const inputs = [flat, plainWeight(site, b, { turn: true, factor: 1 })];
  if (bias !== undefined) inputs.push(site.tensor("bias", asRow(bias, columns, 1)));
  const product = site.op("Gemm", inputs, { transB: 1 });
  if (shape.length === 2) return product;
  site.sameNumbers(product, site.node.outputs[0] as string);
  return site.op("Reshape", [product, site.list("shape", [...shape.slice(0, -1), columns])]);
}

/** A product by a constant matrix whose result is only ever added to a constant: the sum takes the product in. */
function addedBias(site: LegaliseSite): { readonly a: string; readonly b: string; readonly bias: Tensor } | undefined {
  for (const [product, other] of [
    [site.input(0), site.input(1)],
    [site.input(1), site.input(0)],
  ] as const) {
    const maker = site.soleProducer(product);
    const bias = site.constant(other);
    if (maker === undefined || maker.op !== "MatMul" || maker.domain !== "" || bias === undefined) continue;
    const [a, b] = maker.inputs as [string, string];
    if (site.constant(a) !== undefined || !isWeight(site, b) || site.shape(a).length < 2) continue;
    const columns = site.shape(b)[1] as number;
    const sameShape = site.shape(product).join() === site.shape(site.node.outputs[0] as string).join();
    if (isRow(bias, columns) && sameShape) return { a, b, bias };
  }
  return undefined;
}

function matMul(site: LegaliseSite): Verdict {
  const [a, b] = [site.input(0), site.input(1)];
  const [left, right] = [site.shape(a), site.shape(b)];
  if (left.length === 1 || right.length === 1) {
    const wideA = left.length === 1 ? site.op("Reshape", [a, site.list("row", [1, ...left])]) : a;
    const wideB = right.length === 1 ? site.op("Reshape", [b, site.list("column", [...right, 1])]) : b;
    const shape = site.shape(site.node.outputs[0] as string);
    return site.finish(site.op("Reshape", [site.op("MatMul", [wideA, wideB]), site.list("shape", shape)]));
  }
  if (!isWeight(site, b)) return "keep";
  const reader = site.soleReader(0);
  if (reader?.op === "Add" && reader.domain === "") {
    const other = reader.inputs.find((name) => name !== site.node.outputs[0]) ?? "";
    const bias = site.constant(other);
    // The Add takes this product in, later in the same round.
    if (bias !== undefined && isRow(bias, right[1] as number) && bias.shape.length <= left.length) return "keep";
  }
  // Over more axes FULLY_CONNECTED keeps them by itself.
  if (left.length > 2) return "keep";
  return site.finish(fullyConnected(site, { a, b }));
}

/** Matrix products. */
export const MATMUL_ROWS: readonly LegaliseRow[] = [
  {
    name: "gemm",
    ops: ["Gemm"],
    says: "product by constant weights [outputs, inputs] with one bias for each output",
    costs: "Nothing for constants; a TRANSPOSE for transA, MUL and ADD for what is computed",
    rewrite: gemm,
  },
  {
    name: "matmul-bias",
    ops: ["Add"],
    says: "product and sum as one FULLY_CONNECTED",
    costs: "Nothing: an operator less",
    rewrite: (site) => {
      const found = addedBias(site);
      return found === undefined ? "keep" : site.finish(fullyConnected(site, found));
    },
  },
  {
    name: "matmul",
    ops: ["MatMul"],
    says: "product by a constant matrix as FULLY_CONNECTED over rows, vectors as matrices",
    costs: "Two RESHAPEs above two axes; they move nothing",
    rewrite: matMul,
  },
];
