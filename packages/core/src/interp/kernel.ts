import type { Graph, Node } from "../graph/model.ts";
import type { Tensor } from "../graph/tensor.ts";

/** What a reference kernel may use besides its inputs. */
export interface KernelContext {
  readonly node: Node;
  /** Number of outputs the node names; kernels may skip work for absent ones. */
  readonly outputCount: number;
  /** Runs a subgraph (of If, Loop, Scan) with the given inputs in order; names of outer graphs are visible inside. */
  runGraph(graph: Graph, inputs: readonly Tensor[]): readonly Tensor[];
}

/**
 * The slow, exact reference of one operator: pure, allocates its outputs, never writes to its inputs. An absent optional input is `undefined`.
 * Float kernels accumulate in double and round once to the output type, unless the specification says otherwise.
 */
export type Kernel = (inputs: readonly (Tensor | undefined)[], context: KernelContext) => readonly (Tensor | undefined)[];

/** Instead of a kernel: why there is none. */
export interface NoKernel {
  readonly unsupported: string;
}
