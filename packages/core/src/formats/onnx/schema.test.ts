import type { DescEnum, DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import * as oracle from "onnx-buf";
import { describe, expect, it } from "vitest";
import type { MessageRecord, MessageTable } from "../protobuf/table.ts";
import { ATTRIBUTE_TYPES, DATA_LOCATIONS, DATA_TYPES, dataTypeName } from "./data-type.ts";
import { MODEL, OPAQUE_TYPE } from "./schema.ts";

/** All tables that can be reached from a model, by message name. */
function reachable(table: MessageTable<MessageRecord>, found = new Map<string, MessageTable<MessageRecord>>()): typeof found {
  if (found.has(table.name)) return found;
  found.set(table.name, table);
  for (const field of table.ordered) if (field.type === "message") reachable(field.message(), found);
  return found;
}

const exported = Object.values(oracle as Record<string, unknown>).filter((value) => typeof value === "object" && value !== null);
const messages = exported.filter((value): value is DescMessage => (value as DescMessage).kind === "message");
const enums = exported.filter((value): value is DescEnum => (value as DescEnum).kind === "enum");
const tables = reachable(MODEL);

const SCALARS = {
  [ScalarType.INT32]: "int32",
  [ScalarType.INT64]: "int64",
  [ScalarType.UINT64]: "uint64",
  [ScalarType.FLOAT]: "float",
  [ScalarType.DOUBLE]: "double",
  [ScalarType.STRING]: "string",
  [ScalarType.BYTES]: "bytes",
} as Record<ScalarType, string>;

function typeOf(field: DescField): string {
  if (field.message !== undefined) return `message ${field.message.typeName.replace("onnx.", "")}`;
  return field.enum !== undefined ? "int32" : (SCALARS[field.scalar ?? ScalarType.BOOL] ?? "?");
}

describe("the ONNX schema", () => {
  it("has the messages of onnx-buf and the opaque type of the ML variant", () => {
    const names = messages.map((desc) => desc.typeName.replace("onnx.", ""));
    expect([...tables.keys()].sort()).toEqual([...names, OPAQUE_TYPE.name].sort());
  });

  it.each(messages.map((desc) => [desc.typeName.replace("onnx.", ""), desc] as const))(
    "agrees with onnx-buf on %s",
    (name, desc) => {
      const ours = (tables.get(name)?.ordered ?? [])
        .filter((field) => field.key !== "opaqueType")
        .map((field) => ({
          number: field.number,
          key: field.key,
          type: field.type === "message" ? `message ${field.message().name}` : field.type,
          repeated: field.list !== "none",
          packed: field.packed,
          rivals: field.rivals.filter((key) => key !== "opaqueType").toSorted(),
        }));
      const theirs = desc.fields
        .map((field) => ({
          number: field.number,
          key: field.localName,
          type: typeOf(field),
          repeated: field.fieldKind === "list",
          packed: field.fieldKind === "list" && field.packed,
          rivals: (field.oneof?.fields ?? [])
            .map((other) => other.localName)
            .filter((key) => key !== field.localName)
            .toSorted(),
        }))
        .sort((a, b) => a.number - b.number);
      expect(ours).toEqual(theirs);
    },
  );

  it("agrees with onnx-buf on the enums", () => {
    const values = (name: string): Record<string, number> =>
      Object.fromEntries(enums.find((desc) => desc.typeName === name)?.values.map((value) => [value.name, value.number]) ?? []);
    const codes = Object.fromEntries(Object.entries(DATA_TYPES).map(([name, row]) => [name, row.code]));
    expect(codes).toEqual(values("onnx.TensorProto.DataType"));
    expect(ATTRIBUTE_TYPES).toEqual(values("onnx.AttributeProto.AttributeType"));
    expect(DATA_LOCATIONS).toEqual(values("onnx.TensorProto.DataLocation"));
    expect([dataTypeName(1), dataTypeName(26), dataTypeName(27)]).toEqual(["FLOAT", "INT2", undefined]);
  });
});
