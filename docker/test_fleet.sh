#!/usr/bin/env bash
# Replaces each container of docker-compose.fleet.yml under load, on stand-in base images. Needs what
# test_compose.sh needs, and the Python of the development environment; leaves nothing running.
# Usage: test_fleet.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHON_IMAGE=triton-embed/stand-in:python TRITON_IMAGE=triton-embed/stand-in:triton
export NGINX_IMAGE=triton-embed/stand-in:nginx IMAGE_TAG=test
if docker compose version > /dev/null 2>&1; then
  compose=(docker compose)
else
  compose=(docker-compose)
fi
tests/compose/stand_in.sh "$PYTHON_IMAGE" "$TRITON_IMAGE" "$NGINX_IMAGE"
"${compose[@]}" build triton gateway
exec "$1" -m benchmarks.fleet
