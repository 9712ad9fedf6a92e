import { fail } from "../../../base/error.ts";
import type { KernelSource, KernelTable } from "../kernel-source.ts";
import { CONV_KERNELS } from "./conv.ts";
import { DEPTHWISE_KERNELS } from "./depthwise.ts";
import { DSP_FORMS, DSP_HELPERS } from "./dsp-forms.ts";
import { ELEMENTWISE_KERNELS } from "./elementwise.ts";
import { FIXED_POINT_KERNELS } from "./fixed-point.ts";
import { L2_NORMALIZATION_KERNELS } from "./l2-normalization.ts";
import { LSTM_KERNELS } from "./lstm.ts";
import { MOVE_KERNELS } from "./move.ts";
import { MVE_FORMS, MVE_HELPERS } from "./mve-forms.ts";
import { POINTWISE_KERNELS } from "./pointwise.ts";
import { POOL_KERNELS } from "./pool.ts";
import { REQUANT_KERNELS } from "./requant.ts";
import { RING_KERNELS } from "./ring.ts";
import { SOFTMAX_KERNELS } from "./softmax.ts";

/** Portable kernels with their helpers. */
const PORTABLE: readonly KernelSource[] = [
  ...REQUANT_KERNELS,
  ...RING_KERNELS,
  ...POINTWISE_KERNELS,
  ...CONV_KERNELS,
  ...DEPTHWISE_KERNELS,
  ...POOL_KERNELS,
  ...ELEMENTWISE_KERNELS,
  ...FIXED_POINT_KERNELS,
  ...SOFTMAX_KERNELS,
  ...L2_NORMALIZATION_KERNELS,
  ...MOVE_KERNELS,
  ...LSTM_KERNELS,
];

/** Forms for processors with more instructions, by the name of the kernel that they replace; `needs` are the helpers that these forms call besides. */
type Forms = Readonly<Record<string, { readonly source: string; readonly needs: readonly string[] }>>;

/** Filled by dsp-*.ts. */
const DSP: Forms = DSP_FORMS;

/** Filled by mve-*.ts. */
const MVE: Forms = MVE_FORMS;

/** Helpers of the special forms that no portable kernel has. */
const HELPERS: readonly KernelSource[] = [
  ...MVE_HELPERS,
  ...DSP_HELPERS,
  ...PORTABLE.filter((kernel) => kernel.name in DSP).map(dspFallback),
];

/** The portable form under the name ts_portable_*, for special forms that do not fit every shape. */
function dspFallback(kernel: KernelSource): KernelSource {
  const name = kernel.name.replace("ts_", "ts_portable_");
  return { name, portable: "", dsp: kernel.portable.replaceAll(`${kernel.name}(`, `${name}(`), needs: kernel.needs };
}

function withForms(kernel: KernelSource): KernelSource {
  const dsp = DSP[kernel.name];
  const mve = MVE[kernel.name];
  return {
    ...kernel,
    ...(dsp === undefined ? {} : { dsp: dsp.source }),
    ...(mve === undefined ? {} : { mve: mve.source }),
    needs: [...new Set([...kernel.needs, ...(dsp?.needs ?? []), ...(mve?.needs ?? [])])],
  };
}

/** Every kernel and helper by name. */
export const KERNELS: KernelTable = new Map([...HELPERS, ...PORTABLE].map((kernel) => [kernel.name, withForms(kernel)]));

/**
 * The kernels of a list with everything that they need, each once, callees first: what a file of kernels has to hold.
 *
 * @throws UNSUPPORTED_OP for a name that is not in the table
 */
export function kernelsFor(names: Iterable<string>): readonly KernelSource[] {
  const chosen: KernelSource[] = [];
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const kernel = KERNELS.get(name);
    if (kernel === undefined) throw fail("UNSUPPORTED_OP", `Cannot emit "${name}": there is no kernel of that name`);
    for (const needed of kernel.needs) visit(needed);
    chosen.push(kernel);
  };
  for (const name of names) visit(name);
  return chosen;
}
