"""Describes a .tflite file from its records alone: operators by type and dtype, what stays float, transposes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

TYPE_NAMES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
OPERATOR_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
FLOATS = {"float16", "float32", "float64", "bfloat16"}
BORDER = {"QUANTIZE", "DEQUANTIZE"}


def read_records(path: Path) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    if code.customCode:
        return f"CUSTOM {code.customCode.decode('utf8', 'replace')}"
    return OPERATOR_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _ports(graph: schema.SubGraphT, indices) -> list[dict]:
    found = []
    for tensor in (graph.tensors[index] for index in indices):
        grid = tensor.quantization
        scaled = grid is not None and grid.scale is not None and len(grid.scale)
        found.append(
            {
                "name": tensor.name.decode("utf8", "replace") if tensor.name else "",
                "shape": [] if tensor.shape is None else [int(size) for size in tensor.shape],
                "dtype": TYPE_NAMES[tensor.type],
                **({"scale": float(grid.scale[0]), "zeroPoint": int(grid.zeroPoint[0])} if scaled else {}),
            }
        )
    return found


def describe_file(path: Path) -> dict:
    """Counts over all subgraphs.

    `operators` is by type and the dtype of the first output. `floatOperators` are those that read or write a float
    value which is no constant, except QUANTIZE and DEQUANTIZE: in a file said to be fully integer there must be none.
    `inner` are QUANTIZE and DEQUANTIZE that touch neither an input nor an output of the file.
    """
    model = read_records(path)
    operators: Counter = Counter()
    floats: Counter = Counter()
    inner = 0
    for graph in model.subgraphs:
        border = {*map(int, graph.inputs), *map(int, graph.outputs)}
        for operator in graph.operators:
            name = operator_name(model, operator)
            reads = [int(i) for i in (() if operator.inputs is None else operator.inputs) if i >= 0]
            writes = [int(i) for i in (() if operator.outputs is None else operator.outputs) if i >= 0]
            first = TYPE_NAMES[graph.tensors[writes[0]].type] if writes else "none"
            operators[f"{name} {first}"] += 1
            values = [i for i in reads if _is_value(model, graph.tensors[i])] + writes
            if name in BORDER:
                inner += not border & {*values}
            elif any(TYPE_NAMES[graph.tensors[i].type] in FLOATS for i in values):
                floats[name] += 1
    return {
        "sizeBytes": path.stat().st_size,
        "subgraphs": len(model.subgraphs),
        "operatorCount": sum(operators.values()),
        "operators": dict(sorted(operators.items())),
        "floatOperators": dict(sorted(floats.items())),
        "transposes": sum(count for name, count in operators.items() if name.startswith("TRANSPOSE ")),
        "innerQuantize": inner,
        "inputs": _ports(model.subgraphs[0], model.subgraphs[0].inputs),
        "outputs": _ports(model.subgraphs[0], model.subgraphs[0].outputs),
    }


def _is_value(model: schema.ModelT, tensor: schema.TensorT) -> bool:
    """Whether it is computed or fed, not a constant."""
    buffer = model.buffers[tensor.buffer]
    outside = buffer.size > 0  # data behind the flatbuffer, for files above 2 GB
    return not outside and (buffer.data is None or len(buffer.data) == 0)
