import type { KernelSource, SpecialForms } from "../kernel-source.ts";
import { MVE_BASE } from "./mve-base.ts";
import { MVE_CONV, MVE_CONV_HELPERS } from "./mve-conv.ts";
import { MVE_DEPTHWISE, MVE_DEPTHWISE_HELPERS } from "./mve-depthwise.ts";
import { MVE_ELEMENTWISE, MVE_ELEMENTWISE_HELPERS } from "./mve-elementwise.ts";
import { MVE_LSTM, MVE_LSTM_HELPERS } from "./mve-lstm.ts";
import { MVE_MOVE } from "./mve-move.ts";
import { MVE_MATMUL, MVE_POINTWISE } from "./mve-pointwise.ts";
import { MVE_POOL } from "./mve-pool.ts";

/** Kernels in the form for Helium, by the name of the kernel that they replace. */
export const MVE_FORMS: SpecialForms = {
  ...MVE_POINTWISE,
  ...MVE_CONV,
  ...MVE_DEPTHWISE,
  ...MVE_ELEMENTWISE,
  ...MVE_POOL,
  ...MVE_MOVE,
  ...MVE_LSTM,
};

/** What those forms call and no portable kernel does. */
export const MVE_HELPERS: readonly KernelSource[] = [
  ...MVE_BASE,
  ...MVE_MATMUL,
  ...MVE_CONV_HELPERS,
  ...MVE_DEPTHWISE_HELPERS,
  ...MVE_ELEMENTWISE_HELPERS,
  ...MVE_LSTM_HELPERS,
];
