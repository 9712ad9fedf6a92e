import type { Node } from "../../../../graph/model.ts";
import type { Tensor } from "../../../../graph/tensor.ts";

/** 0: a value as the file has it, channels last; 1: channels in axis 1. */
export type Label = 0 | 1;

/** What rules see of the graph, which is in the file's layout. */
export interface LayoutSite {
  readonly node: Node;
  /** Sizes of a value; `undefined` where they are not all known. */
  shape(name: string): readonly number[] | undefined;
  constant(name: string): Tensor | undefined;
  /** The nodes that read a value. */
  readers(name: string): readonly Node[];
  isOutput(name: string): boolean;
}

/** Where a rewritten node takes its constants from. */
export interface LayoutEdit {
  /** A constant list of int64. */
  list(values: readonly number[]): string;
  /** A constant that broadcasts in the order of channels first; the encoding goes along. `whole`: of exactly `rank` axes. */
  turned(name: string, rank: number, whole?: boolean): string;
  /** Changes a constant in place of the old one, for this use of it. */
  replaced(name: string, change: (tensor: Tensor) => Tensor): string;
  /** Asks for another constant operand in a node further down. */
  override(reader: Node, input: number, name: string): void;
}

/**
 * How a node may be laid out: its inputs and outputs belong to groups, and those of a group have one label. -1 stands for no group: constants, and
 * values too small to have a layout.
 */
export interface LayoutRule {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** The label that a group must have; `undefined` where it may be chosen. */
  readonly groups: readonly (Label | undefined)[];
  /** The node for labels that were chosen, with its inputs named as before. "alias": output 0 is input 0. */
  readonly write: (labels: readonly Label[], edit: LayoutEdit) => Node | "alias";
}
