#!/bin/sh
# Installs PyTorch: tools/install_torch.sh PYTHON
# PyPI's build brings 3 GB of CUDA libraries. Without an NVIDIA GPU, the CPU build is installed from
# PyTorch's own index, unless pip is configured with an index or that index does not respond.
set -eu
python=$1
index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
requirement=$(sed -n 's/^ *"\(torch==[^"]*\)",$/\1/p' pyproject.toml)

has_gpu() {
    nvidia-smi -L >/dev/null 2>&1
}

has_configured_index() {
    "$python" -m pip config list | grep -qE '(index-url|no-index)='
}

# Through pip, so that its proxy and certificates apply; 10 s for a connection, 30 s in all.
responds() {
    timeout 30 "$python" -m pip --timeout 10 --retries 0 --quiet index versions torch \
        --index-url "$index" >/dev/null 2>&1
}

set --
if "$python" -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null; then
    : # pip keeps the installed build.
elif has_gpu; then
    echo "Installing PyTorch with CUDA (3 GB to download, 4.6 GB on disk) ..."
elif [ -z "${TORCH_INDEX:-}" ] && has_configured_index; then
    echo "Installing PyTorch from the index that pip is configured with. TORCH_INDEX=URL adds another index."
elif responds; then
    echo "There is no NVIDIA GPU: installing the CPU build of PyTorch from $index ..."
    set -- --extra-index-url "$index"
else
    echo "$index does not respond: installing PyTorch with CUDA from PyPI (3 GB to download, 4.6 GB on disk)."
    echo "To install the CPU build from a mirror, set TORCH_INDEX=URL."
fi
exec "$python" -m pip install -c constraints.txt "$@" "$requirement"
