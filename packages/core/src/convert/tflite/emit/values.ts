import { fail } from "../../../base/error.ts";
import type { DType } from "../../../graph/dtype.ts";
import type { Node } from "../../../graph/model.ts";
import type { Encoding } from "../../../graph/plan.ts";
import type { Tensor } from "../../../graph/tensor.ts";
import { canonicalOrder, inOrder, memoryKey, type Order, permBetween, sameOrder } from "../layout/order.ts";
import { type DataUse, dataOrder } from "../layout/problem.ts";
import type { PortOrders } from "../layout/rule.ts";
import type { InsertedTranspose } from "../options.ts";
import type { NewTensor, TensorRef, TfliteBuilder } from "./builder.ts";
import { type Domain, FileConstants, fileDType } from "./constants.ts";
import { transposeTensor } from "./transpose-tensor.ts";

/** What is known of the model's values while it is emitted. */
export interface ValueFacts {
  shape(name: string): readonly number[];
  dtype(name: string): DType;
  constant(name: string): Tensor | undefined;
  encoding(name: string): Encoding | undefined;
  /** Whether float readers take the value as a float node made it, though integer nodes take it rounded. */
  isUnrounded(name: string): boolean;
  /** The data that a value is another name of. */
  use(name: string): DataUse;
}

/** A graph output as the file has it. */
export interface OutputPlace {
  readonly name: string;
  /** In axes of the output. */
  readonly order: Order;
  readonly domain: Domain;
}

/** A form in which some data stands in the file. */
interface Form {
  readonly ref: TensorRef;
  /** In axes of the data. */
  readonly order: Order;
  readonly domain: Domain;
}

/**
 * The values of the model as tensors of the file: each is made in one order and domain, and converted, once for all readers, where another one is wanted.
 */
export class FileValues {
  readonly transposes: InsertedTranspose[] = [];
  readonly constants: FileConstants;
  /** QUANTIZE and DEQUANTIZE operators between nodes. */
  conversions = 0;
  /** Those at inputs and outputs. */
  borders = 0;
  private readonly builder: TfliteBuilder;
  private readonly facts: ValueFacts;
  private readonly outputs: readonly OutputPlace[];
  private readonly made = new Map<string, Form>();
  private readonly converted = new Map<string, TensorRef>();
  private readonly given = new Set<string>();
  private readonly outputRefs = new Map<string, TensorRef>();
  private readonly pending: (readonly [TensorRef, TensorRef])[] = [];

  constructor(builder: TfliteBuilder, facts: ValueFacts, outputs: readonly OutputPlace[]) {
    this.builder = builder;
    this.constants = new FileConstants(builder);
    this.facts = facts;
    this.outputs = outputs;
  }

  /** Makes the tensor in which a node or graph input gives its value; `order` in axes of the value. */
  make(name: string, order: Order, domain: Domain): TensorRef {
    const { data } = this.facts.use(name);
    const shape = inOrder(this.facts.shape(name), order);
    const whole = { name, shape, ...this.typed(name, domain) };
    const encoded = this.facts.encoding(name) !== undefined;
    let ref: TensorRef;
    if (domain === "float" && encoded && this.facts.isUnrounded(name)) {
      // Whoever computes in integers has it quantized when it is asked for, once for all.
      const float = { ...whole, ...this.typed(name, "float") };
      ref = this.addNamedLike(float, { data, order, domain });
      this.made.set(data, { ref, order, domain });
    } else if (domain === "float" && encoded) {
      // The plan says that whoever reads it reads rounded numbers.
      ref = this.builder.add({ ...whole, name: `${name}_float` });
      const rounded = this.addNamedLike({ name, shape, ...this.typed(name, "integer") }, { data, order, domain: "integer" });
      this.made.set(data, { ref: rounded, order, domain: "integer" });
      this.pending.push([ref, rounded]);
    } else {
      ref = this.addNamedLike(whole, { data, order, domain });
      this.made.set(data, { ref, order, domain });
    }
    return ref;
  }

  /** Appends the QUANTIZE operators behind the node that was just emitted. */
  settle(): void {
    for (const [from, to] of this.pending.splice(0)) {
      this.builder.operator("QUANTIZE", { inputs: [from], outputs: [to], options: { kind: "QuantizeOptions" } });
      this.conversions++;
    }
  }

  /** Makes the outputs of a node that could not be emitted, so that those behind it can be looked at. */
  standIn(node: Node, orders: PortOrders): void {
    this.pending.length = 0;
    node.outputs.forEach((name, i) => {
      if (name !== "" && !this.made.has(name))
        this.make(name, orders.outputs[i] ?? canonicalOrder(this.facts.shape(name).length), "float");
    });
    this.pending.length = 0;
  }

  /** A graph input: float in the file or, when `domain` says so, integers. */
  input(name: string, order: Order, domain: Domain): TensorRef {
    const shape = inOrder(this.facts.shape(name), order);
    const encoded = this.facts.encoding(name) !== undefined;
    const ref = this.builder.addNamed({ name, shape, ...this.typed(name, encoded ? domain : "float") });
    this.made.set(name, { ref, order, domain: encoded ? domain : "float" });
    this.given.add(name);
    return ref;
  }

  /** Whether the value, as it was made, is an integer tensor. */
  private typed(name: string, domain: Domain): Pick<NewTensor, "dtype" | "encoding"> {
    const encoding = domain === "integer" ? this.facts.encoding(name) : undefined;
    if (encoding === undefined) return { dtype: fileDType(this.facts.dtype(name), name) };
    return { dtype: fileDType(encoding.dtype, name), encoding };
  }

  /** Gives the tensor the name of a graph output that is just this, or a fresh name like the value's. */
  private addNamedLike(
    tensor: NewTensor,
    form: { readonly data: string; readonly order: Order; readonly domain: Domain },
  ): TensorRef {
    const output = this.outputs.find((o) => {
      if (this.outputRefs.has(o.name) || this.facts.constant(o.name) !== undefined) return false;
      const use = this.facts.use(o.name);
      const domain = this.facts.encoding(o.name) === undefined ? "float" : o.domain;
      return use.data === form.data && domain === form.domain && sameOrder(dataOrder(use, o.order), form.order);
    });
    if (output === undefined) return this.builder.add(tensor);
    const ref = this.builder.addNamed({ ...tensor, name: output.name });
    this.outputRefs.set(output.name, ref);
    return ref;
  }

  /** A value in an order (in its own axes) and domain, converted when it stands otherwise. Constants are stored so. */
  get(name: string, want: { readonly order: Order; readonly domain: Domain; readonly reader: string }): TensorRef {
    const constant = this.facts.constant(name);
    if (constant !== undefined) return this.constants.shared(name, constant, { ...want, encoding: this.facts.encoding(name) });
    const use = this.facts.use(name);
    const encoded = this.facts.encoding(name) !== undefined;
    return this.convert(use.data, {
      order: dataOrder(use, want.order),
      domain: encoded ? want.domain : "float",
      reader: want.reader,
      value: name,
    });
  }

  private convert(
    data: string,
    want: { readonly order: Order; readonly domain: Domain; readonly reader: string; readonly value: string },
    as?: string,
  ): TensorRef {
    const form = this.made.get(data);
    if (form === undefined)
      throw fail("GRAPH_INVALID", `Cannot emit ${want.reader}: ${data} was not made before it`, { at: { node: want.reader } });
    const shape = inOrder(this.facts.shape(data), want.order);
    const moves = !sameOrder(form.order, want.order);
    const changes = form.domain !== want.domain;
    const add = (tensor: NewTensor, last: boolean): TensorRef =>
      last && as !== undefined ? this.builder.addNamed({ ...tensor, name: as }) : this.builder.add(tensor);
    let { ref } = form;
    if (moves) {
      const key = `${data} ${want.order} ${form.domain}`;
      const known = this.converted.get(key);
      if (known !== undefined && (changes || as === undefined)) ref = known;
      else {
        const { dtype, encoding } = form.ref;
        const next = add({ name: `${want.value}_moved`, shape, dtype, encoding }, !changes);
        this.move(data, { from: form, to: next, order: want.order, reader: want.reader });
        this.converted.set(key, next);
        ref = next;
      }
    }
    if (changes) {
      const key = `${data} ${want.order} ${want.domain}`;
      const known = this.converted.get(key);
      if (known !== undefined && as === undefined) return known;
      const next = add({ name: `${want.value}_${want.domain}`, shape, ...this.typed(data, want.domain) }, true);
      if (want.domain === "integer")
        this.builder.operator("QUANTIZE", { inputs: [ref], outputs: [next], options: { kind: "QuantizeOptions" } });
      else this.builder.operator("DEQUANTIZE", { inputs: [ref], outputs: [next], options: { kind: "DequantizeOptions" } });
      if (as !== undefined || this.given.has(data)) this.borders++;
      else this.conversions++;
      this.converted.set(key, next);
      return next;
    }
    if (!moves && as !== undefined) {
      const next = add({ name: as, shape, dtype: form.ref.dtype, encoding: form.ref.encoding }, true);
      this.reshape(ref, next);
      return next;
    }
    return ref;
  }

  private move(
    data: string,
    way: { readonly from: Form; readonly to: TensorRef; readonly order: Order; readonly reader: string },
  ): void {
    const { from, to, order, reader } = way;
    const shape = this.facts.shape(data);
    if (memoryKey(from.order, shape) === memoryKey(order, shape)) {
      this.reshape(from.ref, to);
      return;
    }
    const perm = permBetween(from.order, order);
    this.builder.operator("TRANSPOSE", {
      inputs: [from.ref, this.constants.ints(`${to.name}_perm`, perm)],
      outputs: [to],
      options: { kind: "TransposeOptions" },
    });
    this.transposes.push({ tensor: data, perm, reader });
  }

  /** Appends a RESHAPE from one tensor to another of the same elements. */
  reshape(from: TensorRef, to: TensorRef): void {
    this.builder.operator("RESHAPE", {
      inputs: [from, this.constants.ints(`${to.name}_shape`, to.shape)],
      outputs: [to],
      options: { kind: "ReshapeOptions", newShape: Int32Array.from(to.shape) },
    });
  }

  /**
   * Makes the graph outputs that these values are, where they stand otherwise. At once, because LiteRT (2.5) was seen to let a 16-bit SOFTMAX behind a
   * RESHAPE overwrite what the RESHAPE had read, before a DEQUANTIZE at the end of the graph came to it.
   */
  giveOut(names: readonly string[]): void {
    for (const place of this.outputs) {
      if (this.facts.constant(place.name) === undefined && names.includes(this.facts.use(place.name).data)) this.output(place);
    }
  }

  /** The tensor of a graph output, converted when it was made otherwise. */
  output(place: OutputPlace): TensorRef {
    const known = this.outputRefs.get(place.name);
    if (known !== undefined) return known;
    const constant = this.facts.constant(place.name);
    if (constant !== undefined) {
      const stored = transposeTensor(constant, place.order);
      return this.builder.addNamed({
        name: place.name,
        shape: stored.shape,
        dtype: fileDType(stored.dtype, place.name),
        data: stored.bytes,
      });
    }
    const use = this.facts.use(place.name);
    const domain = this.facts.encoding(place.name) === undefined ? "float" : place.domain;
    const want = { order: dataOrder(use, place.order), domain, reader: "the graph output", value: place.name };
    const ref = this.convert(use.data, want, place.name);
    this.outputRefs.set(place.name, ref);
    return ref;
  }
}
