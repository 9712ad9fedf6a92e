"""The tools that quantize.py knows: a name for each setting, who builds it, and in which environment."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ORT_SETTINGS = (
    "default-nopre",
    "default",
    "s8s8-perchannel-minmax",
    "u8s8-perchannel-minmax-nopre",
    "u8s8-perchannel-minmax",
    "u8s8-perchannel-entropy",
    "u8s8-perchannel-p99.999",
    "u8s8-perchannel-p99.999-asym",
    "u8s8-perchannel-p99.99-asym",
)


@dataclass(frozen=True)
class Tool:
    builder: str  # python BUILDER SETTING MODEL.onnx CROPS OUTPUT.onnx LFW
    setting: str
    environment: str = ""  # what follows the name of the environment that runs this


TOOLS = {
    **{name: Tool("quantize_build.py", name) for name in ORT_SETTINGS},
    **{f"nncf-{name}": Tool("nncf_build.py", name, "-openvino") for name in ("default", "mixed", "accuracy", "accuracy-mixed")},
    **{f"aimet-{name}": Tool("aimet_build.py", name, "-aimet") for name in ("default", "cle", "adaround", "cle-adaround")},
}
USUAL = ORT_SETTINGS


def environment(tool: Tool) -> Path:
    """The interpreter that runs a tool: this one, or that of the environment which setup.sh makes beside it."""
    return Path(f"{sys.prefix}{tool.environment}") / "bin" / "python" if tool.environment else Path(sys.executable)
