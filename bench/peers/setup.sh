#!/usr/bin/env bash
# Makes the Python environment of the peers, outside the repository, and prints the versions in it.
# TESSERA_PEERS_VENV overrides the place; PYTHON the interpreter (3.10 or newer, with its venv module).
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${TESSERA_PEERS_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/tessera-peers}"

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"

echo "environment: $venv"
"$venv/bin/python" --version
"$venv/bin/pip" list --disable-pip-version-check --format=freeze |
  grep -E '^(onnx|onnxruntime|onnxsim|onnxslim|numpy|opencv-python-headless|sympy)=='
