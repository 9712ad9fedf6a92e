import type { Target, TargetFact } from "./target.ts";
import { CORTEX_M } from "./tflm.ts";

const BITS: TargetFact = {
  says: "The generated C computes what TensorFlow Lite for Microcontrollers computes, to the bit, whichever kernels the processor has",
  verified: "measured here",
  source: "profile tflm-double of the integer interpreter, held against its recordings; generated C held against the interpreter",
};

const INTERPRETER: TargetFact = {
  says: "CMSIS-NN, which the interpreter calls, leaves LOGISTIC, TANH, HARD_SWISH, LEAKY_RELU, PRELU, MEAN, CONCATENATION, resizing and L2_NORMALIZATION to portable kernels; the generated C looks functions of one byte up in tables of 256 bytes",
  verified: "read",
  source: "the kernels of tensorflow/tflite-micro under micro/kernels/cmsis_nn; packages/core/src/codegen",
};

const PRELU =
  "it takes two multiplications a value behind its convolution, where a Relu or Relu6 is a bound of the convolution and costs nothing";

const NOTES: readonly string[] = [
  "Accuracy is LiteRT's on this machine, which rounds once where these parts round twice, so that values differ by one here and there. Times are not those of the device.",
  "`tessera mcu` writes the C, and counts flash, memory and instructions where a compiler and an emulator are there.",
  "An instruction is not a cycle: waiting for flash, caches and dual issue are in no figure.",
];

interface Part {
  readonly id: string;
  readonly says: string;
  readonly isa: "dsp" | "mve";
  readonly budget: NonNullable<Target["budget"]>;
  readonly facts: readonly TargetFact[];
}

// 16-bit activations have kernels in the interpreter and none in generated C.
const { wide: _, ...ROW } = CORTEX_M;

/** A part of the Cortex-M family for which C is generated; files for its interpreter are those of cortex-m. */
function part({ id, says, isa, budget, facts }: Part): Target {
  return {
    ...ROW,
    id,
    says,
    generates: { isa },
    slowKernels: { PRelu: PRELU },
    fallback: { dtype: "float32", says: "nothing: generated C computes in integers alone" },
    budget,
    facts: [...facts, BITS, INTERPRETER],
    notes: NOTES,
  };
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Cortex-M4 with its 16-bit multiplications. */
export const CORTEX_M4: Target = part({
  id: "cortex-m4",
  says: "Cortex-M4 by generated C: int8, two 16-bit products an instruction, 256 KiB of flash and 64 KiB of memory",
  isa: "dsp",
  budget: {
    storageBytes: 256 * KIB,
    memoryBytes: 64 * KIB,
    says: "a small part of the Cortex-M4 class: 256 KiB of flash, 64 KiB of memory",
  },
  facts: [
    {
      says: "SMLAD adds two products of 16-bit halves to a sum in one instruction, SXTB16 widens two bytes; compilers do not use either by themselves",
      verified: "measured here",
      source: "the kernels' dsp forms under an emulator; gcc 12 on the portable forms",
    },
    {
      says: "Parts with 256 KiB of flash and 64 KiB of memory are common in this class",
      verified: "unverified",
      source: "data sheets, from memory: STM32F401xC; larger ones have up to 2 MiB and 640 KiB",
    },
  ],
});

/** Cortex-M7: the same instructions, two of them at a time, behind caches. */
export const CORTEX_M7: Target = part({
  id: "cortex-m7",
  says: "Cortex-M7 by generated C: int8, two 16-bit products an instruction, 2 MiB of flash and 512 KiB of memory",
  isa: "dsp",
  budget: {
    storageBytes: 2 * MIB,
    memoryBytes: 512 * KIB,
    says: "a part of the Cortex-M7 class: 2 MiB of flash, 512 KiB of memory in one piece",
  },
  facts: [
    {
      says: "It executes the dsp kernels of Cortex-M4 unchanged; issuing two instructions at a time changes cycles, not counts",
      verified: "measured here",
      source: "the same sources run on both under an emulator",
    },
    {
      says: "Parts with 2 MiB of flash and 512 KiB of memory in one piece are common in this class",
      verified: "unverified",
      source: "data sheets, from memory: STM32H743, whose other memories are smaller",
    },
  ],
});

/** Cortex-M55 with the vector extension (Helium). */
export const CORTEX_M55: Target = part({
  id: "cortex-m55",
  says: "Cortex-M55 by generated C: int8, vectors of 16 bytes (Helium), 2 MiB of flash and 512 KiB of memory",
  isa: "mve",
  budget: {
    storageBytes: 2 * MIB,
    memoryBytes: 512 * KIB,
    says: "a modest part of the Cortex-M55 class: 2 MiB of flash, 512 KiB of memory",
  },
  facts: [
    {
      says: "VMLADAVA adds 16 products of bytes to a sum in one instruction; gcc 12 does not find it in plain C, so that the mve forms are written with intrinsics",
      verified: "measured here",
      source: "the kernels' mve forms under an emulator; gcc 12 on the portable forms",
    },
    {
      says: "A vector instruction takes two cycles or more on most parts",
      verified: "unverified",
      source: "Arm's documents on M-profile vectors, from memory; the emulator counts instructions only",
    },
  ],
});
