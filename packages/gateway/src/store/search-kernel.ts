/** What this file uses of the `WebAssembly` of every JavaScript engine; its full types come with the DOM's, which Node code does not have. */
interface WebAssemblyNamespace {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (options: { readonly initial: number }) => KernelMemory;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, KernelMemory>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

/** Memory that can grow; `buffer` is another one afterwards. */
interface KernelMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyNamespace };

/** The inner loop of the search, with the memory it works on. */
export interface SearchKernel {
  readonly memory: KernelMemory;
  /**
   * Dot products of one query, i16[stride] at address `query`, with `rows` rows, i8[rows, stride] at `matrix`, to i32[rows] at `out`. `stride` is a
   * multiple of 32, addresses are multiples of 16; sums must fit 32 bits.
   */
  dots(query: number, matrix: number, rows: number, stride: number, out: number): void;
}

/**
 * A kernel with a memory of its own. It is WebAssembly with 128-bit SIMD, which every Node we support has, put together here from its few
 * instructions so that it can be read. For 100,000 x 128 it takes 1 ms; the same in f32 took 10 ms, and JavaScript 35: what counts is how many
 * bytes go through the processor.
 */
export function searchKernel(pages: number): SearchKernel {
  const memory = new WebAssembly.Memory({ initial: pages });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(MODULE), { m: { m: memory } });
  const dots: unknown = exports["f"];
  if (!isKernel(dots)) throw new TypeError("the search kernel does not export its function");
  return { memory, dots };
}

function isKernel(value: unknown): value is SearchKernel["dots"] {
  return typeof value === "function";
}

// Parameters of the function, then its locals.
const [QUERY, MATRIX, ROWS, STRIDE, OUT, END, AT, EVEN, ODD] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
const [I32, V128, NO_RESULT] = [0x7f, 0x7b, 0x40] as const;

// Instructions, by their code in the WebAssembly specification.
const LOOP = [0x03, NO_RESULT];
const END_OF_BLOCK = [0x0b];
const AGAIN_IF = [0x0d, 0];
const ADD = [0x6a];
const SUBTRACT = [0x6b];
const LESS = [0x49];
const STORE = [0x36, 2, 0];
const LOAD_16_BYTES = (offset: number) => simd(0, 4, ...unsigned(offset));
/** Eight bytes, each widened to 16 bits with its sign. */
const LOAD_8_WIDENED = (offset: number) => simd(1, 3, ...unsigned(offset));
const ZERO = simd(12, ...new Array<number>(16).fill(0));
const LANE = (index: number) => simd(27, index);
const ADD_LANES = simd(0xae);
/** Products of eight pairs of 16 bits, neighbours added: four sums of 32 bits. */
const DOT_LANES = simd(0xba);

/** Eight elements into one of two sums, so that no addition waits for the one before. */
function step(sum: number, index: number): number[] {
  return [
    ...[...get(sum), ...get(MATRIX), ...LOAD_8_WIDENED(8 * index), ...get(AT), ...LOAD_16_BYTES(16 * index)],
    ...[...DOT_LANES, ...ADD_LANES, ...set(sum)],
  ];
}

function advance(pointer: number, bytes: number): number[] {
  return [...get(pointer), ...constant(bytes), ...ADD, ...set(pointer)];
}

const BODY = [
  ...list([
    [2, I32],
    [2, V128],
  ]),
  ...LOOP,
  ...[...ZERO, ...set(EVEN), ...ZERO, ...set(ODD)],
  ...[...get(QUERY), ...set(AT), ...get(MATRIX), ...get(STRIDE), ...ADD, ...set(END)],
  ...LOOP,
  ...[...step(EVEN, 0), ...step(ODD, 1), ...step(EVEN, 2), ...step(ODD, 3)],
  ...[...advance(AT, 64), ...advance(MATRIX, 32)],
  ...[...get(MATRIX), ...get(END), ...LESS, ...AGAIN_IF],
  ...END_OF_BLOCK,
  ...get(OUT),
  ...[...get(EVEN), ...get(ODD), ...ADD_LANES, ...set(EVEN)],
  ...[0, 1, 2, 3].flatMap((i) => [...get(EVEN), ...LANE(i)]),
  ...[...ADD, ...ADD, ...ADD, ...STORE],
  ...advance(OUT, 4),
  ...[...get(ROWS), ...constant(1), ...SUBTRACT, ...set(ROWS), ...get(ROWS), ...AGAIN_IF],
  ...END_OF_BLOCK,
  ...END_OF_BLOCK,
];

const MODULE = Uint8Array.from([
  ...[0, ...Buffer.from("asm"), 1, 0, 0, 0],
  ...section(1, list([[0x60, ...list(new Array<number[]>(5).fill([I32])), 0]])),
  ...section(2, list([[...name("m"), ...name("m"), 2, 0, 1]])),
  ...section(3, list([[0]])),
  ...section(7, list([[...name("f"), 0, 0]])),
  ...section(10, list([[...unsigned(BODY.length), ...BODY]])),
]);

function get(local: number): number[] {
  return [0x20, local];
}

function set(local: number): number[] {
  return [0x21, local];
}

/** A constant of 0..8191 in signed LEB128. */
function constant(value: number): number[] {
  return value < 64 ? [0x41, value] : [0x41, (value & 0x7f) | 0x80, value >> 7];
}

function simd(code: number, ...rest: readonly number[]): number[] {
  return [0xfd, ...unsigned(code), ...rest];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function name(text: string): number[] {
  return [...unsigned(text.length), ...Buffer.from(text)];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}
