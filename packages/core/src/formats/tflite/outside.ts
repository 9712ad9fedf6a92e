import { fail } from "../../base/error.ts";
import type { Int64 } from "../flatbuffer/scalar.ts";
import type { Draft } from "../flatbuffer/table.ts";
import type { ConstantBuffer, Operator, SubGraph, TfliteDraft, TfliteModel } from "./schema.ts";

/*
 * A flatbuffer ends at 2 GiB. Since revision c of the schema, constant data and custom options may therefore lie behind the flatbuffer in
 * the same file, named by offset and size from its start. Records hold such data as if it were inside: where it lies is a matter of the
 * file, not of the model.
 */

/** Offsets 0 and 1 mean that there is nothing outside. */
const FIRST_OFFSET = 2;

/** Data outside starts at a multiple of this, as LiteRT asks of what it maps. */
const OUTSIDE_ALIGN = 16;

/** Takes in what lies behind the flatbuffer: views of `bytes`. @throws TRUNCATED, MALFORMED (both inside and outside) */
export function resolveOutside(model: TfliteModel, bytes: Uint8Array): TfliteModel {
  const buffers = mapChanged(model.buffers, (buffer, i) => {
    const { offset, size, ...rest } = buffer;
    if (offset < FIRST_OFFSET) return buffer;
    const data = outsideData(bytes, { name: `Model.buffers[${i}]`, offset, size, inside: buffer.data });
    return Object.freeze({ ...rest, offset: 0, size: 0, data });
  });
  const subgraphs = mapChanged(model.subgraphs, (graph, g) => {
    const operators = mapChanged(graph.operators, (operator, i) => {
      const { largeCustomOptionsOffset: offset, largeCustomOptionsSize: size } = operator;
      if (offset < FIRST_OFFSET) return operator;
      const name = `SubGraph ${g}.operators[${i}].customOptions`;
      const customOptions = outsideData(bytes, { name, offset, size, inside: operator.customOptions });
      return Object.freeze({ ...operator, largeCustomOptionsOffset: 0, largeCustomOptionsSize: 0, customOptions });
    });
    return operators === graph.operators ? graph : Object.freeze({ ...graph, ...(operators && { operators }) });
  });
  if (buffers === model.buffers && subgraphs === model.subgraphs) return model;
  return Object.freeze({ ...model, ...(buffers && { buffers }), ...(subgraphs && { subgraphs }) });
}

/** Maps a frozen list, and returns the list itself if nothing in it changed. */
export function mapChanged<T>(list: readonly T[] | undefined, change: (item: T, i: number) => T): readonly T[] | undefined {
  const mapped = list?.map(change);
  return mapped?.some((item, i) => item !== list?.[i]) ? Object.freeze(mapped) : list;
}

interface Outside {
  readonly name: string;
  readonly offset: Int64;
  readonly size: Int64;
  readonly inside: Uint8Array | undefined;
}

function outsideData(bytes: Uint8Array, outside: Outside): Uint8Array {
  const { name, offset, size, inside } = outside;
  const end = Number(offset) + Number(size);
  if (end > bytes.length) {
    throw fail(
      "TRUNCATED",
      `Cannot read ${name}: its data of ${size} bytes lies at ${offset}, the file ends at ${bytes.length}`,
      {
        at: { offset: bytes.length },
      },
    );
  }
  if (inside !== undefined && inside.length > 0) {
    throw fail("MALFORMED", `Cannot read ${name}: it has data inside the flatbuffer and at ${offset} as well`, {
      at: { offset: Number(offset) },
    });
  }
  return bytes.subarray(Number(offset), end);
}

/** A model whose data was taken out, and that data in the order in which it lies in the file. */
export interface OutsidePlan {
  readonly model: TfliteDraft;
  /** What comes behind the flatbuffer: padding and data. */
  readonly chunks: readonly Uint8Array[];
}

/**
 * Takes the data of all buffers and all custom options out of a model, to lie behind a flatbuffer of `flatBytes` bytes. The size of that
 * flatbuffer does not depend on where it ends, so it can be found with a first plan for any `flatBytes`.
 */
export function planOutside(model: TfliteDraft, flatBytes: number): OutsidePlan {
  const chunks: Uint8Array[] = [];
  let pos = flatBytes;
  const place = (data: Uint8Array): number => {
    const start = Math.ceil(pos / OUTSIDE_ALIGN) * OUTSIDE_ALIGN;
    chunks.push(new Uint8Array(start - pos), data);
    pos = start + data.length;
    return start;
  };
  const buffers = model.buffers?.map((buffer): Draft<ConstantBuffer> => {
    const { data, ...rest } = buffer;
    return data === undefined || data.length === 0 ? buffer : { ...rest, offset: place(data), size: data.length };
  });
  const subgraphs = model.subgraphs?.map((graph): Draft<SubGraph> => {
    const operators = graph.operators?.map((operator): Draft<Operator> => {
      const { customOptions, ...rest } = operator;
      if (customOptions === undefined || customOptions.length === 0) return operator;
      return { ...rest, largeCustomOptionsOffset: place(customOptions), largeCustomOptionsSize: customOptions.length };
    });
    return operators === undefined ? graph : { ...graph, operators };
  });
  return { model: { ...model, ...(buffers && { buffers }), ...(subgraphs && { subgraphs }) }, chunks };
}
