import type { KernelSource } from "../kernel-source.ts";
import { DSP_CONV_ROW } from "./dsp-conv.ts";
import { DSP_DEPTHWISE_BEGIN, DSP_DEPTHWISE_ROW } from "./dsp-depthwise.ts";
import { DSP_DOT, DSP_DOT_1X4, DSP_DOT_2X2 } from "./dsp-dot.ts";
import { DSP_DOT3 } from "./dsp-dot3.ts";
import { DSP_DW3 } from "./dsp-dw3.ts";
import { DSP_DW4 } from "./dsp-dw4.ts";
import { DSP_LSTM, DSP_LSTM_HELPERS, DSP_SATURATE16 } from "./dsp-lstm.ts";
import { DSP_POINTWISE } from "./dsp-pointwise.ts";
import { DSP_FINISH, DSP_PLACE, DSP_REQUANT30 } from "./dsp-requant.ts";

/** Helpers of the forms for processors with DSP instructions. */
export const DSP_HELPERS: readonly KernelSource[] = [...DSP_DOT, ...DSP_DOT3, ...DSP_DW3, ...DSP_DW4, ...DSP_LSTM_HELPERS];

/** Forms for processors with DSP instructions (Cortex-M4, M7, M33), by the name of the kernel that they replace. */
export const DSP_FORMS = {
  ts_requant30: DSP_REQUANT30,
  ts_place: DSP_PLACE,
  ts_finish: DSP_FINISH,
  ts_dot_1x4: DSP_DOT_1X4,
  ts_dot_2x2: DSP_DOT_2X2,
  ts_pointwise: DSP_POINTWISE,
  ts_conv_row: DSP_CONV_ROW,
  ts_depthwise_begin: DSP_DEPTHWISE_BEGIN,
  ts_depthwise_row: DSP_DEPTHWISE_ROW,
  ts_saturate16: DSP_SATURATE16,
  ts_lstm: DSP_LSTM,
} as const satisfies Readonly<Record<string, { readonly source: string; readonly needs: readonly string[] }>>;
