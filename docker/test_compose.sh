#!/usr/bin/env bash
# Builds and uses the images of docker-compose.yml on stand-in base images. Needs root for
# debootstrap; leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."

cannot() {
  echo "test-compose: cannot run here: $1. On Debian: apt-get install docker.io docker-compose" \
    "debootstrap, then start dockerd (as root: dockerd &)" >&2
  exit 1
}
failed() { echo "test-compose: FAILED: $1" >&2; exit 1; }

for tool in docker curl debootstrap; do
  command -v $tool > /dev/null || cannot "there is no '$tool'"
done
[ "$(id -u)" -eq 0 ] || cannot "debootstrap needs root"
docker info > /dev/null 2>&1 || cannot "no Docker engine responds at ${DOCKER_HOST:-the default socket}"
if docker compose version > /dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose > /dev/null; then
  compose=(docker-compose)
else
  cannot "there is neither 'docker compose' nor 'docker-compose'"
fi

owner=4242
port=${TEST_COMPOSE_PORT:-18000}
http=127.0.0.1:$port grpc=127.0.0.1:$((port + 1)) metrics=127.0.0.1:$((port + 2))
export GATEWAY_PORT=$http TRITON_GRPC_PORT=$grpc TRITON_METRICS_PORT=$metrics
export PYTHON_IMAGE=triton-embed/stand-in:python TRITON_IMAGE=triton-embed/stand-in:triton
export COMPOSE_FILE=docker-compose.yml COMPOSE_PROJECT_NAME=triton-embed-test-$$
export SETTINGS=docker/settings.env IMAGE_TAG=test
MODEL_REPOSITORY=$(mktemp -d)
export MODEL_REPOSITORY

clean_up() {
  status=$?
  trap - EXIT
  [ $status -eq 0 ] || "${compose[@]}" logs --no-color --tail 100 || true
  "${compose[@]}" --profile export down --volumes --remove-orphans --timeout 20 > /dev/null 2>&1 || true
  rm -rf "$MODEL_REPOSITORY"
  exit $status
}
trap clean_up EXIT
trap 'exit 130' INT TERM

tests/compose/stand_in.sh "$PYTHON_IMAGE" "$TRITON_IMAGE"
"${compose[@]}" --profile export build

# The folder belongs neither to root nor to the containers' user.
chown $owner:$owner "$MODEL_REPOSITORY"
chmod 755 "$MODEL_REPOSITORY"
"${compose[@]}" run --rm export
strangers=$(find "$MODEL_REPOSITORY" ! -uid $owner)
[ -z "$strangers" ] || failed "not the folder owner's: $strangers"

"${compose[@]}" up -d
deadline=$((SECONDS + 180))
for service in triton gateway; do
  id=$("${compose[@]}" ps -q $service)
  until [ "$(docker inspect -f '{{.State.Health.Status}}' "$id")" = healthy ]; do
    [ $SECONDS -lt $deadline ] || failed "$service is not healthy"
    sleep 1
  done
  roots=$(docker top "$id" -eo pid,uid,args | awk '$2 == 0')
  [ -z "$roots" ] || failed "$service runs as root: $roots"
done

curl -sS --fail-with-body "http://$http/v1/embeddings" -H 'content-type: application/json' \
  -d '{"model": "sentence-transformers/all-MiniLM-L6-v2", "input": ["hello", "a longer text"]}' |
  python3 -c '
import json, math, sys
vectors = [item["embedding"] for item in json.load(sys.stdin)["data"]]
norms = [math.hypot(*vector) for vector in vectors]
assert [len(vector) for vector in vectors] == [384, 384], [len(vector) for vector in vectors]
assert all(abs(norm - 1) < 1e-5 for norm in norms), norms
' || failed "the vectors are not two of dimension 384 and norm 1"

# The request is an empty gRPC message; the response is ServerLiveResponse(live=True).
live=$(printf '\0\0\0\0\0' | curl -sS --http2-prior-knowledge -H 'content-type: application/grpc' \
  -H 'te: trailers' --data-binary @- "http://$grpc/inference.GRPCInferenceService/ServerLive" |
  od -An -tx1 | tr -d ' ')
[ "$live" = 00000000020801 ] || failed "Triton's gRPC answered '$live'"
curl -sS --fail "http://$metrics/metrics" | grep '^nv_inference_request_success{' > /dev/null ||
  failed "Triton's metrics do not count requests"

echo "test-compose: passed"
