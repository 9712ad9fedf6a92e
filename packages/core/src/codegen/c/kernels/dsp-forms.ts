import { DSP_CONV_ROW } from "./dsp-conv.ts";
import { DSP_POINTWISE } from "./dsp-pointwise.ts";

/** Forms for processors with DSP instructions (Cortex-M4, M7, M33), by the name of the kernel that they replace. */
export const DSP_FORMS = {
  ts_pointwise: DSP_POINTWISE,
  ts_conv_row: DSP_CONV_ROW,
} as const satisfies Readonly<Record<string, { readonly source: string; readonly needs: readonly string[] }>>;
