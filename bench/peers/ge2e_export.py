"""The speaker encoder of the PyPI package Resemblyzer (GE2E, Apache-2.0) as ONNX, with the card that says how to feed it.

    $PEERS-ge2e/bin/python bench/peers/ge2e_export.py --out FOLDER

Writes FOLDER/ge2e-256.onnx (opset 13: three LSTM of 256, a linear layer, ReLU, division by the length; input `mels` [batch, 160, 40]),
FOLDER/ge2e-256.card.json, and FOLDER/ge2e-reference.json with what the package itself computes for one signal that anybody can make: its mel frames
and its embedding, to compare ours with. The graph is written from the weights by hand, not traced, and must give what the package's own forward gives,
within 1e-5. The weights are the package's: they stay outside the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from resemblyzer import VoiceEncoder, audio
from resemblyzer.hparams import mel_n_channels, model_embedding_size, model_hidden_size, model_num_layers, partials_n_frames

NAME = "ge2e-256"
LARGEST_DIFFERENCE = 1e-5
RATE = 16_000

# What Resemblyzer does to a recording, in the words of docs/model-card.md. librosa pads with zeros since 0.10.
PREPARATION = {
    "raiseToDbfs": -30,
    "speech": "all",
    "frontEnd": {
        "kind": "spectral",
        "rateHz": RATE,
        "spectrum": {
            "frame": 400,
            "hop": 160,
            "fft": 400,
            "window": "hann",
            "edges": "centre-zero",
            "gain": 1,
            "removeMean": False,
            "preEmphasis": {"coefficient": 0, "over": "sound"},
            "power": 2,
            "spectrumGain": 1,
        },
        "mel": {"bands": mel_n_channels, "lowHz": 0, "highHz": 8000, "scale": "slaney", "sides": "hertz", "norm": "slaney"},
        "log": {"kind": "none"},
    },
    "windows": {"frames": partials_n_frames, "hop": 77, "minCoverage": 0.75, "computed": "whole"},
}


def gates(matrix: np.ndarray) -> np.ndarray:
    """Rows of PyTorch's gates (input, forget, cell, output) in the order of ONNX (input, output, forget, cell)."""
    i, f, g, o = np.split(matrix, 4, axis=0)
    return np.concatenate([i, o, f, g], axis=0)


def graph_of(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(op: str, inputs: list[str], outputs: list[str], **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, outputs, name=f"{op.lower()}_{len(nodes)}", **attributes))
        return outputs[-1]

    constant("direction_axis", np.array([1], np.int64))
    constant("first_axis", np.array([0], np.int64))
    value = add("Transpose", ["mels"], ["frames_first"], perm=[1, 0, 2])
    last = model_num_layers - 1
    for layer in range(model_num_layers):
        w = constant(f"W{layer}", gates(weights[f"lstm.weight_ih_l{layer}"])[None])
        r = constant(f"R{layer}", gates(weights[f"lstm.weight_hh_l{layer}"])[None])
        bias = [gates(weights[f"lstm.bias_{side}_l{layer}"]) for side in ("ih", "hh")]
        b = constant(f"B{layer}", np.concatenate(bias)[None])
        outputs = [f"y{layer}", f"h{layer}"] if layer < last else ["", f"h{layer}"]
        add("LSTM", [value, w, r, b], outputs, hidden_size=model_hidden_size)
        if layer < last:
            value = add("Squeeze", [f"y{layer}", "direction_axis"], [f"layer{layer}"])
    hidden = add("Squeeze", [f"h{last}", "first_axis"], ["hidden"])
    kernel = constant("linear_weight", weights["linear.weight"])
    offset = constant("linear_bias", weights["linear.bias"])
    linear = add("Gemm", [hidden, kernel, offset], ["linear"], transB=1)
    positive = add("Relu", [linear], ["positive"])
    length = add("ReduceL2", [positive], ["length"], axes=[1], keepdims=1)
    add("Div", [positive, length], ["embedding"])
    mels = helper.make_tensor_value_info("mels", TensorProto.FLOAT, ["batch", partials_n_frames, mel_n_channels])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", model_embedding_size])
    model = helper.make_model(
        helper.make_graph(nodes, NAME, [mels], [embedding], constants),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
        producer_name="ge2e_export",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def chirp(seconds: float = 2.0) -> np.ndarray:
    """A signal that anybody can make: two gliding tones and a beat, float64 arithmetic, rounded to float32 once."""
    t = np.arange(int(seconds * RATE), dtype=np.float64) / RATE
    glide = np.sin(2 * np.pi * (100 * t + 200 * t * t)) + 0.5 * np.sin(2 * np.pi * (2500 * t - 300 * t * t))
    return (0.1 * glide * (1 + 0.5 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def card_of(digest: str) -> dict:
    version = metadata.version("Resemblyzer")
    return {
        "version": 1,
        "name": NAME,
        "modality": "voice",
        "task": "embedding",
        "input": {
            "kind": "features",
            "tensor": "mels",
            "shape": [partials_n_frames, mel_n_channels],
            "features": "fbank",
            "sampleRateHz": RATE,
            "preparation": PREPARATION,
        },
        "output": {
            "kind": "embedding",
            "tensor": "embedding",
            "dimension": model_embedding_size,
            "metric": "cosine",
            "normalised": True,
        },
        "thresholds": [],
        "licence": "Apache-2.0",
        "provenance": f"PyPI package Resemblyzer {version}, pretrained.pt, written as ONNX by ge2e_export.py",
        "modelSha256": digest,
        "notes": "Windows of 1.6 s, 1.3 of them a second, at least three quarters of the last one filled; the package also drops silence "
        "(webrtcvad), which this card does not.",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)

    encoder = VoiceEncoder("cpu", verbose=False)
    weights = {name: value.detach().numpy() for name, value in encoder.state_dict().items()}
    data = graph_of(weights).SerializeToString(deterministic=True)
    (folder / f"{NAME}.onnx").write_bytes(data)

    random = np.random.default_rng(1)
    # Mel powers of speech: small, and never below 0.
    mels = np.abs(random.normal(0, 0.05, (5, partials_n_frames, mel_n_channels))).astype(np.float32)
    signal = chirp()
    frames = audio.wav_to_mel_spectrogram(signal)
    mels[0] = frames[:partials_n_frames]
    with torch.no_grad():
        theirs = encoder(torch.from_numpy(mels)).numpy()
    (ours,) = ort.InferenceSession(data, providers=["CPUExecutionProvider"]).run(["embedding"], {"mels": mels})
    difference = float(np.abs(ours - theirs).max())
    if not difference <= LARGEST_DIFFERENCE:
        raise SystemExit(f"the ONNX file differs from the package's forward by {difference:.3g}")

    digest = hashlib.sha256(data).hexdigest()
    (folder / f"{NAME}.card.json").write_text(json.dumps(card_of(digest), indent=2) + "\n")
    reference = {
        "signal": "0.1 (sin 2pi(100t + 200t^2) + 0.5 sin 2pi(2500t - 300t^2)) (1 + 0.5 sin 2pi 3t), 2 s at 16 kHz, float32",
        "versions": {name: metadata.version(name) for name in ("Resemblyzer", "librosa", "torch", "numpy")},
        "mel": {"shape": list(frames.shape), "values": frames.ravel().tolist()},
        "windows": [[int(s.start), int(s.stop)] for s in VoiceEncoder.compute_partial_slices(len(signal), 1.3, 0.75)[1]],
        "embedding": encoder.embed_utterance(signal).tolist(),
    }
    (folder / "ge2e-reference.json").write_text(json.dumps(reference) + "\n")
    print(f"{folder / NAME}.onnx: {len(data)} bytes, sha-256 {digest}, largest difference from the package {difference:.2g}")


if __name__ == "__main__":
    main()
