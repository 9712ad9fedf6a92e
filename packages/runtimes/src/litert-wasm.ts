/** A value that lives in the WebAssembly heap until it is deleted. */
export interface Handle {
  delete(): void;
}

/** A C++ vector. */
export interface HeapList<T> extends Handle {
  size(): number;
  get(index: number): T;
}

/** An element of an enum. */
interface EnumValue {
  readonly value: number;
}

/** Element type and shape of a tensor. */
export interface HeapTensorType extends Handle {
  elementType(): EnumValue;
  layout(): Handle & { dimensions(): HeapList<number> };
  bytes(): number;
}

/** Memory of an input or output. `lock` gives the address of its bytes. */
export interface HeapTensor extends Handle {
  lock(mode: EnumValue): number;
  unlock(): void;
  tensorType(): HeapTensorType;
  size(): number;
}

/** The graph of a file. */
export interface HeapModel extends Handle {
  getNumSignatures(): number;
  getSignature(index: number): Handle & {
    key(): string;
    inputNames(): HeapList<string>;
    outputNames(): HeapList<string>;
  };
  getInputTensorType(signature: number, input: number): HeapTensorType;
  getOutputTensorType(signature: number, output: number): HeapTensorType;
}

/** A graph that can run. */
export interface HeapCompiled extends Handle {
  run(signature: number, inputs: readonly HeapTensor[]): HeapTensor[] | Promise<HeapTensor[]>;
  isFullyAccelerated(): boolean;
}

/** The part of the WebAssembly interface of LiteRT (2.5) that is used here. The heap may move with every call: read `HEAPU8` anew. */
export interface LitertWasm {
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _free(pointer: number): void;
  setupLogging(): void;
  readonly LiteRtEnvironment: { create(device: null): Handle };
  loadModel(environment: Handle, pointer: number, size: number): HeapModel;
  compileModel(environment: Handle, model: HeapModel, options: object): HeapCompiled | Promise<HeapCompiled>;
  readonly LiteRtTensorBuffer: {
    createManaged(environment: Handle, place: EnumValue, type: HeapTensorType, size: number): HeapTensor;
  };
  readonly LiteRtTensorBufferType: { readonly HOST_MEMORY: EnumValue };
  readonly LiteRtTensorBufferLockMode: { readonly READ: EnumValue; readonly WRITE: EnumValue };
}
