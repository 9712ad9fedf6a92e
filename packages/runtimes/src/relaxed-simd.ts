import { setFlagsFromString } from "node:v8";
import { WebAssembly } from "./web-assembly.ts";

/**
 * A module with one function: `i8x16.relaxed_swizzle` (0xfd 0x100) of two vectors that `i8x16.splat` (0xfd 0x0f) makes. Opcodes from the
 * relaxed SIMD proposal of WebAssembly.
 */
const PROBE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x0f, 0x01, 0x0d, 0x00, 0x41, 0x01, 0xfd, 0x0f, 0x41, 0x01, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b],
);

/**
 * Makes relaxed SIMD available to programs compiled from here on, and says whether it is. Node 22 has it; Node 20 has it behind a switch of
 * V8, which changes nothing for programs without it.
 */
export function enableRelaxedSimd(): boolean {
  if (WebAssembly.validate(PROBE)) return true;
  // Other versions complain about a switch that they do not know.
  if (!process.versions.node.startsWith("20.")) return false;
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  return WebAssembly.validate(PROBE);
}
