import { scalar } from "../flatbuffer/table.ts";
import { BOOL, CODE, FLOATS, INDEX, INT, INTS, LONG, TEXT } from "./fields.ts";

/** ADD and SUB keep int16 scales at powers of two unless told not to. */
const POT_SCALE = scalar("bool", true);

/** Fields of the options of arithmetic, reductions, shapes, slices, control flow and resources. */
export const BASIC_OPTIONS = {
  AddOptions: { fusedActivationFunction: CODE, potScaleInt16: POT_SCALE },
  SubOptions: { fusedActivationFunction: CODE, potScaleInt16: POT_SCALE },
  MulOptions: { fusedActivationFunction: CODE },
  DivOptions: { fusedActivationFunction: CODE },
  CumsumOptions: { exclusive: BOOL, reverse: BOOL },
  ReducerOptions: { keepDims: BOOL },
  ArgMaxOptions: { outputType: CODE },
  ArgMinOptions: { outputType: CODE },
  BucketizeOptions: { boundaries: FLOATS },
  RandomOptions: { seed: LONG, seed2: LONG },
  CastOptions: { inDataType: CODE, outDataType: CODE },
  // Shapes and movements
  ConcatenationOptions: { axis: INT, fusedActivationFunction: CODE },
  ReshapeOptions: { newShape: INTS },
  SqueezeOptions: { squeezeDims: INTS },
  ShapeOptions: { outType: CODE },
  SpaceToDepthOptions: { blockSize: INT },
  DepthToSpaceOptions: { blockSize: INT },
  GatherOptions: { axis: INT, batchDims: INT },
  SplitOptions: { numSplits: INT },
  SplitVOptions: { numSplits: INT },
  PackOptions: { valuesCount: INT, axis: INT },
  UnpackOptions: { num: INT, axis: INT },
  StridedSliceOptions: { beginMask: INT, endMask: INT, ellipsisMask: INT, newAxisMask: INT, shrinkAxisMask: INT, offset: BOOL },
  OneHotOptions: { axis: INT },
  MirrorPadOptions: { mode: CODE },
  ReverseSequenceOptions: { seqDim: INT, batchDim: INT },
  SparseToDenseOptions: { validateIndices: BOOL },
  // The output type of UNIQUE is INT32 (2) unless said otherwise.
  UniqueOptions: { idxOutType: scalar("int8", 2) },
  // Control flow; indices of subgraphs
  CallOptions: { subgraph: INDEX },
  IfOptions: { thenSubgraphIndex: INT, elseSubgraphIndex: INT },
  WhileOptions: { condSubgraphIndex: INT, bodySubgraphIndex: INT },
  CallOnceOptions: { initSubgraphIndex: INT },
  // Resources
  HashtableOptions: { tableId: INT, keyDtype: CODE, valueDtype: CODE },
  VarHandleOptions: { container: TEXT, sharedName: TEXT },
} as const;
