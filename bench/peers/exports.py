"""Gives what `tessera quantize --export` wrote to the software it is for, as far as registries have it, and says what became of it.

    python exports.py --stem NAME.int8 --model FP32.onnx --crops DIR --out exports.json [--table exports.txt] [--samples 8]

Each check runs in the environment that setup.sh made for it. TensorRT has no package that runs without a GPU: its file goes
through the ONNX checker, onnxruntime and OpenVINO, which reads the same pairs. Qualcomm's converters are in no registry; the
overrides are loaded by AIMET, whose schema they have, and the Q/DQ file runs on QNN's HTP library for this processor.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
from crops import read_crops

ENVIRONMENTS = {"onnx": "", "openvino": "-openvino", "aimet": "-aimet", "qnn": "-qnn"}


def cosines(a: np.ndarray, b: np.ndarray) -> dict:
    rows = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return {"mean": float(rows.mean()), "min": float(rows.min())}


def run_ort(file: Path, samples: np.ndarray, level: str | None = None) -> np.ndarray:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if level == "none":
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: sample[None]})[0] for sample in samples])


def check_onnx(given: dict, samples: np.ndarray) -> dict:
    """The ONNX checker with shape inference, and onnxruntime, on every .onnx file."""
    import onnx

    reference, rows = run_ort(given["model"], samples), {}
    for file in given["onnx"]:
        onnx.checker.check_model(str(file), full_check=True)
        model = onnx.load(str(file))
        ops = Counter(node.op_type for node in model.graph.node)
        types = Counter(onnx.TensorProto.DataType.Name(tensor.data_type) for tensor in model.graph.initializer)
        rows[file.name] = {
            "opset": model.opset_import[0].version,
            "pairs": [ops["QuantizeLinear"], ops["DequantizeLinear"]],
            "constants": dict(types),
            "toFp32": cosines(run_ort(file, samples), reference),
        }
    return rows


def check_openvino(given: dict, samples: np.ndarray) -> dict:
    """Reads, compiles and runs; counts the layers of its runtime model by what they compute in."""
    import openvino as ov

    reference, rows, core = run_ort(given["model"], samples), {}, ov.Core()
    for file in given["onnx"]:
        read = core.read_model(str(file))
        kinds = Counter(node.get_type_name() for node in read.get_ordered_ops())
        config = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = core.compile_model(read, "CPU", config)
        layers: Counter = Counter()
        for node in compiled.get_runtime_model().get_ordered_ops():
            info = node.get_rt_info()
            kind, precision = (info[key].astype(str) for key in ("layerType", "runtimePrecision"))
            if kind not in ("Const", "Input", "Output", "Reshape"):
                layers[f"{kind} {precision}"] += 1
        out = np.concatenate([compiled(sample[None])[0] for sample in samples])
        rows[file.name] = {
            "fakeQuantize": kinds["FakeQuantize"],
            "layers": dict(sorted(layers.items())),
            "toOrt": cosines(out, run_ort(file, samples)),
            "toFp32": cosines(out, reference),
        }
    return rows


def check_aimet(given: dict, samples: np.ndarray) -> dict:
    """Loads encodings into AIMET's simulation of the float file beside them, and compares it with the Q/DQ file of the same plan."""
    import logging

    import onnx
    from aimet_onnx.quantsim import QuantizationSimModel, load_encodings_to_sim

    logging.disable(logging.INFO)
    rows = {}
    for float_file, encodings, pairs in given["encodings"]:
        sim = QuantizationSimModel(onnx.load(str(float_file)))
        load_encodings_to_sim(sim, str(encodings), strict=False)
        text = json.loads(encodings.read_text())
        names = list(text["activation_encodings"]) + list(text["param_encodings"])
        names = [name if isinstance(name, str) else name["name"] for name in names]
        enabled = [name for name, quantizer in sim.qc_quantize_op_dict.items() if quantizer.enabled]
        feed = sim.session.get_inputs()[0].name
        out = np.concatenate([sim.session.run(None, {feed: sample[None]})[0] for sample in samples])
        rows[encodings.name] = {
            "version": text["version"],
            "entries": len(names),
            "loaded": len(set(names) & set(enabled)),
            "others": len(set(enabled) - set(names)),
            "toQdq": cosines(out, run_ort(pairs, samples, "none")),
            "toFp32": cosines(out, run_ort(given["model"], samples)),
        }
    return rows


def check_qnn(given: dict, samples: np.ndarray) -> dict:
    """Runs the Q/DQ file on QNN's HTP library for this processor, without leave to fall back."""
    import onnxruntime as ort
    import onnxruntime_qnn as qnn

    ort.register_execution_provider_library("QNNExecutionProvider", qnn.get_library_path())
    devices = [device for device in ort.get_ep_devices() if device.ep_name == "QNNExecutionProvider"]
    rows = {}
    for file in given["qnn"]:
        options = ort.SessionOptions()
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        options.add_provider_for_devices(devices, {"backend_path": qnn.get_qnn_htp_path()})
        session = ort.InferenceSession(str(file), options)
        name = session.get_inputs()[0].name
        out = np.concatenate([session.run(None, {name: sample[None]})[0] for sample in samples])
        rows[file.name] = {
            "fallback": "none allowed",
            "toOrt": cosines(out, run_ort(file, samples)),
            "toFp32": cosines(out, run_ort(given["model"], samples)),
        }
    return rows


CHECKS = {"onnx": check_onnx, "openvino": check_openvino, "aimet": check_aimet, "qnn": check_qnn}
PACKAGES = {
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("openvino",),
    "aimet": ("aimet-onnx",),
    "qnn": ("onnxruntime-qnn", "onnxruntime"),
}


def files_of(stem: str, model: Path) -> dict:
    """Exists or not, by check."""
    def there(ending: str) -> Path | None:
        path = Path(f"{stem}.{ending}")
        return path if path.exists() else None

    pairs = [path for kind in ("tensorrt", "openvino", "qnn") if (path := there(f"{kind}.qdq.onnx"))]
    encodings = [(there("aimet.float.onnx"), there("aimet.encodings")), (there("qnn.float.onnx"), there("qnn.overrides.json"))]
    qdq = there("qnn.qdq.onnx")
    return {
        "model": model,
        "onnx": pairs,
        "qnn": [qdq] if qdq else [],
        "encodings": [(*pair, qdq) for pair in encodings if all(pair) and qdq],
    }


def check_here(name: str, options: argparse.Namespace) -> dict:
    crops = read_crops(options.crops)
    rows = crops.rows("eval")
    samples = np.stack([crops.tensors[row] for row in rows[:: max(len(rows) // options.samples, 1)][: options.samples]])
    versions = {package: version(package) for package in PACKAGES[name]}
    return {"versions": versions, "files": CHECKS[name](files_of(options.stem, options.model), samples)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stem", required=True, help="what the names of the exports begin with")
    parser.add_argument("--model", type=Path, required=True, help="the FP32 reference")
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--only", choices=list(CHECKS), help="one check, in this environment")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(check_here(options.only, options)))
        return
    results = {}
    for name, ending in ENVIRONMENTS.items():
        interpreter = Path(f"{sys.prefix}{ending}") / "bin" / "python" if ending else Path(sys.executable)
        if not interpreter.exists():
            results[name] = {"failed": f"{interpreter} is not there: setup.sh makes it"}
            continue
        arguments = ["--stem", options.stem, "--model", options.model, "--crops", options.crops, "--samples", options.samples]
        line = [str(interpreter), __file__, *map(str, arguments), "--only", name]
        done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        last = (done.stdout.strip().splitlines() or [""])[-1]
        results[name] = json.loads(last) if done.returncode == 0 else {"failed": done.stderr.strip()[-600:] or "no message"}
    lines = []
    for name, result in results.items():
        if "failed" in result:
            lines.append(f"{name}: failed: {result['failed']}")
            continue
        lines.append(f"{name}: {', '.join(f'{package} {number}' for package, number in result['versions'].items())}")
        lines += [f"  {file}: {json.dumps(row)}" for file, row in result["files"].items()]
    text = "\n".join(lines) + "\n"
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))
    if options.table:
        options.table.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
