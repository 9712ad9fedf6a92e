/** A compiled program of WebAssembly. */
export interface WasmProgram {
  readonly kind?: "program";
}

/** A program that runs, with its exports. */
export interface WasmInstance {
  readonly exports: object;
}

/** The part of the engine's WebAssembly that is used here; the types of Node do not have it. */
export const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    validate(bytes: Uint8Array): boolean;
    compile(bytes: Uint8Array): Promise<WasmProgram>;
    instantiate(program: WasmProgram, imports: object): Promise<WasmInstance>;
  };
};
