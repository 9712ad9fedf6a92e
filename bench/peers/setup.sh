#!/usr/bin/env bash
# Makes the Python environments of the peers, outside the repository, and prints the versions in them.
# TESSERA_PEERS_VENV overrides the place; PYTHON the interpreter (3.10 or newer, with its venv module).
# onnx2tf needs 3.12 and older libraries: it gets a second environment beside the first, named with the ending -onnx2tf,
# from PYTHON_ONNX2TF or the first newer interpreter found. Without one, its rows say so and all else works.
# So have OpenVINO with NNCF, AIMET and QNN (-openvino, -aimet, -qnn), whose wheels a machine may not be able to install, and
# the generators of C for microcontrollers (-mcu).
# Name environments to make only those: setup.sh main onnx2tf openvino aimet qnn mcu
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${TESSERA_PEERS_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/tessera-peers}"

# environment PLACE INTERPRETER REQUIREMENTS PACKAGES-TO-NAME
environment() {
  [ -x "$1/bin/python" ] || "$2" -m venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/$3"
  echo "environment: $1"
  "$1/bin/python" --version
  "$1/bin/pip" list --disable-pip-version-check --format=freeze | grep -E "^($4)=="
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null
}

newer_python() {
  local candidate
  for candidate in "${PYTHON_ONNX2TF:-}" python3 python3.12 python3.13 python3.14 \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python; do
    if [ -n "$candidate" ] && is_new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
}

wanted=" ${*:-main onnx2tf openvino aimet qnn mcu} "

# optional NAME PACKAGES-TO-NAME
optional() {
  case "$wanted" in *" $1 "*) ;; *) return ;; esac
  environment "$venv-$1" "${PYTHON:-python3}" "requirements-$1.txt" "$2" || echo "$1: not installed, its rows will say so"
}

case "$wanted" in *" main "*)
  environment "$venv" "${PYTHON:-python3}" requirements.txt \
    'onnx|onnxruntime|onnxsim|onnxslim|numpy|opencv-python-headless|sympy|ai-edge-litert|tflite_micro|litert-quantizer'
  ;;
esac

case "$wanted" in *" onnx2tf "*)
  newer="$(newer_python)"
  if [ -n "$newer" ]; then
    environment "$venv-onnx2tf" "$newer" requirements-onnx2tf.txt 'onnx2tf|onnx|onnxruntime|ai-edge-litert|numpy'
  else
    echo "onnx2tf: not installed, no Python 3.12 or newer found (set PYTHON_ONNX2TF)"
  fi
  ;;
esac

optional openvino 'openvino|nncf|onnx|onnxruntime|numpy'
optional aimet 'aimet-onnx|torch|onnx|onnxruntime|numpy'
optional qnn 'onnxruntime-qnn|onnxruntime|onnx|numpy'
optional mcu 'emx-onnx-cgen|onnxruntime|onnx|numpy'
