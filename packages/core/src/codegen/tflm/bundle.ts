import { fail } from "../../base/error.ts";
import type { TflmArena, TflmKernels } from "./arena.ts";
import { RESOLVER_METHODS } from "./operators.ts";

/** An input or output of the network as the interpreter has it. */
export interface TflmPort {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** real = (q - zeroPoint) * scale; absent for what is not quantized. */
  readonly scale?: number;
  readonly zeroPoint?: number;
}

/** What {@link tflmFiles} writes about. */
export interface TflmBundle {
  /** A C identifier that begins all names. */
  readonly name: string;
  /** The file that is compiled in. */
  readonly model: Uint8Array;
  /** SHA-256 of `model`, hexadecimal. */
  readonly sha256: string;
  /** Built-in operators of the file, each once, in order of first use. */
  readonly operators: readonly string[];
  readonly inputs: readonly TflmPort[];
  readonly outputs: readonly TflmPort[];
  readonly arenas: Readonly<Record<TflmKernels, TflmArena>>;
  /** One vector that tells whether the build computes what it should: bytes of all inputs and of all outputs, one after another. */
  readonly selfTest: { readonly input: Uint8Array; readonly output: Uint8Array; readonly tolerance: string };
}

const HEADLINE = "/* Written by Tessera. Changes are lost when it is written again. */";

/**
 * The sources of a bundle for TensorFlow Lite for Microcontrollers by file name: the model as an aligned array, a function that registers exactly the operators
 * of the file, sizes of the arena, and a self-test. C++11, no heap, no exceptions.
 *
 * @throws UNSUPPORTED_OP naming the operators that the interpreter's resolver does not have
 */
export function tflmFiles(bundle: TflmBundle): ReadonlyMap<string, string> {
  const { name, operators } = bundle;
  const absent = operators.filter((op) => !Object.hasOwn(RESOLVER_METHODS, op));
  if (absent.length > 0)
    throw fail(
      "UNSUPPORTED_OP",
      `Cannot write an op resolver: TensorFlow Lite for Microcontrollers has no integer ${absent.join(", ")}`,
      { hint: "export standalone C instead (`tessera mcu --export c`), or rewrite the operator before quantization" },
    );
  return new Map([
    [`${name}_model.h`, header(bundle)],
    [`${name}_model.cc`, model(bundle)],
    [`${name}_resolver.h`, resolver(bundle)],
    [`${name}_self_test.h`, selfTestHeader(bundle)],
    [`${name}_self_test.cc`, selfTest(bundle)],
  ]);
}

function guarded(name: string, file: string, body: readonly string[]): string {
  const guard = `${name}_${file}_H_`.toUpperCase();
  return [HEADLINE, `#ifndef ${guard}`, `#define ${guard}`, "", ...body, "", `#endif  // ${guard}`, ""].join("\n");
}

function header(bundle: TflmBundle): string {
  const { name, arenas } = bundle;
  const upper = name.toUpperCase();
  const arena = (kernels: TflmKernels, condition: string): string[] => {
    const { bytes, plannedBytes, persistentBytes, marginBytes } = arenas[kernels];
    return [
      condition,
      `#define ${upper}_ARENA_BYTES ${bytes}  // ${plannedBytes} planned + ${persistentBytes} structures + ${marginBytes} margin`,
    ];
  };
  return guarded(name, "model", [
    "#include <stddef.h>",
    "#include <stdint.h>",
    "",
    `// SHA-256 of the model: ${bundle.sha256}`,
    ...bundle.inputs.map((port, i) => `// Input ${i}: ${portText(port)}`),
    ...bundle.outputs.map((port, i) => `// Output ${i}: ${portText(port)}`),
    "",
    `extern const unsigned char ${name}_model[];`,
    `extern const size_t ${name}_model_bytes;`,
    "",
    "// Bytes to reserve for the tensor arena on a 32-bit processor, aligned to 16; define the macro yourself to use another size.",
    `#if !defined(${upper}_ARENA_BYTES)`,
    ...arena("cmsis-nn-mve", "#if defined(CMSIS_NN) && defined(__ARM_FEATURE_MVE)"),
    ...arena("cmsis-nn-dsp", "#elif defined(CMSIS_NN)"),
    ...arena("reference", "#else"),
    "#endif",
    "#endif",
    "",
    `#define ${upper}_OPERATORS ${bundle.operators.length}`,
  ]);
}

function portText({ name, dtype, shape, scale, zeroPoint }: TflmPort): string {
  const grid = scale === undefined ? "" : `, real = (q - ${zeroPoint ?? 0}) * ${scale}`;
  return `${printable(name)} ${dtype}[${shape.join(", ")}]${grid}`;
}

/** Names come from files: what could end a comment or continue a line is left out. */
function printable(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_.:/ -]/g, "_");
}

function bytesText(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let i = 0; i < bytes.length; i += 20) lines.push(`    ${Array.from(bytes.subarray(i, i + 20), String).join(", ")},`);
  return lines;
}

function model({ name, model: bytes }: TflmBundle): string {
  return [
    HEADLINE,
    `#include "${name}_model.h"`,
    "",
    "// The interpreter reads the file where it lies: its tensors are aligned to 16 bytes within it.",
    `alignas(16) const unsigned char ${name}_model[] = {`,
    ...bytesText(bytes),
    "};",
    `const size_t ${name}_model_bytes = sizeof(${name}_model);`,
    "",
  ].join("\n");
}

function resolver({ name, operators }: TflmBundle): string {
  const type = `tflite::MicroMutableOpResolver<${operators.length}>`;
  return guarded(name, "resolver", [
    '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"',
    "",
    `using ${camel(name)}Resolver = ${type};`,
    "",
    "// Registers the operators of the model, and no others. Give it a resolver that is empty.",
    `inline TfLiteStatus ${camel(name)}RegisterOperators(${camel(name)}Resolver& resolver) {`,
    ...operators.map((op) => `  if (resolver.${RESOLVER_METHODS[op] as string}() != kTfLiteOk) return kTfLiteError;`),
    "  return kTfLiteOk;",
    "}",
  ]);
}

function camel(name: string): string {
  return name.replaceAll(/(?:^|_)([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());
}

function selfTestHeader({ name, selfTest: { tolerance } }: TflmBundle): string {
  return guarded(name, "self_test", [
    '#include "tensorflow/lite/micro/micro_interpreter.h"',
    "",
    `// Runs one stored vector: true when the answer is right. ${printable(tolerance)}`,
    "// Call it after AllocateTensors(); it overwrites the inputs.",
    `bool ${camel(name)}SelfTest(tflite::MicroInterpreter& interpreter);`,
  ]);
}

function selfTest({ name, selfTest: { input, output }, inputs, outputs }: TflmBundle): string {
  return [
    HEADLINE,
    `#include "${name}_self_test.h"`,
    "",
    "#include <string.h>",
    "",
    "namespace {",
    `const unsigned char kInput[] = {`,
    ...bytesText(input),
    "};",
    `const unsigned char kExpected[] = {`,
    ...bytesText(output),
    "};",
    "}  // namespace",
    "",
    `bool ${camel(name)}SelfTest(tflite::MicroInterpreter& interpreter) {`,
    "  size_t at = 0;",
    `  for (size_t i = 0; i < ${inputs.length}; ++i) {`,
    "    TfLiteTensor* tensor = interpreter.input(i);",
    "    if (tensor == nullptr || at + tensor->bytes > sizeof(kInput)) return false;",
    "    memcpy(tensor->data.raw, kInput + at, tensor->bytes);",
    "    at += tensor->bytes;",
    "  }",
    "  if (at != sizeof(kInput) || interpreter.Invoke() != kTfLiteOk) return false;",
    "  at = 0;",
    `  for (size_t i = 0; i < ${outputs.length}; ++i) {`,
    "    const TfLiteTensor* tensor = interpreter.output(i);",
    "    if (tensor == nullptr || at + tensor->bytes > sizeof(kExpected)) return false;",
    "    if (memcmp(tensor->data.raw, kExpected + at, tensor->bytes) != 0) return false;",
    "    at += tensor->bytes;",
    "  }",
    "  return at == sizeof(kExpected);",
    "}",
    "",
  ].join("\n");
}
