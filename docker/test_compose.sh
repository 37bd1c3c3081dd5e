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

for tool in docker curl debootstrap openssl; do
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
host_folder=$(mktemp -d)
certificate=docker/certificates/test-compose-$$.crt

clean_up() {
  status=$?
  trap - EXIT
  [ $status -eq 0 ] || "${compose[@]}" logs --no-color --tail 100 || true
  "${compose[@]}" --profile export down --volumes --remove-orphans --timeout 20 > /dev/null 2>&1 || true
  rm -rf "$MODEL_REPOSITORY" "$host_folder" "$certificate"
  exit $status
}
trap clean_up EXIT
trap 'exit 130' INT TERM

tests/compose/stand_in.sh "$PYTHON_IMAGE" "$TRITON_IMAGE"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-compose -keyout /dev/null \
  -out "$certificate" 2> /dev/null
"${compose[@]}" --profile export build
for image in triton gateway export; do
  docker run --rm --entrypoint python3 "triton-embed/$image:test" -c '
import ssl
names = [dict(item[0] for item in each["subject"]) for each in ssl.create_default_context().get_ca_certs()]
assert {"commonName": "test-compose"} in names
' || failed "the $image image does not trust docker/certificates"
done

# The folder belongs neither to root nor to the containers' user.
chown $owner:$owner "$MODEL_REPOSITORY"
chmod 755 "$MODEL_REPOSITORY"

# Without a model, Triton waits instead of restarting.
"${compose[@]}" up -d
triton=$("${compose[@]}" ps -q triton)
deadline=$((SECONDS + 120))
until docker logs "$triton" 2>&1 | grep -q "waiting for an export"; do
  [ $SECONDS -lt $deadline ] || failed "Triton does not wait for a model"
  sleep 1
done
[ "$(docker inspect -f '{{.RestartCount}}' "$triton")" = 0 ] || failed "Triton restarts without a model"

missing=$("${compose[@]}" run --rm export /nowhere 2>&1) && failed "a missing folder is exported"
grep -q "in the container" <<< "$missing" || failed "a missing folder gives: $missing"
checkpoint=$("${compose[@]}" run --rm -T --entrypoint readlink export -f /default | tr -d '\r')
docker create --name "$COMPOSE_PROJECT_NAME-copy" triton-embed/export:test > /dev/null
docker cp "$COMPOSE_PROJECT_NAME-copy:$checkpoint" "$host_folder/checkpoint"
docker rm "$COMPOSE_PROJECT_NAME-copy" > /dev/null
chmod -R a+rX "$host_folder"
"${compose[@]}" run --rm -v "$host_folder/checkpoint:/checkpoint:ro" export /checkpoint \
  --model-id mine --dry-run || failed "a mounted folder cannot be exported"

"${compose[@]}" run --rm export
strangers=$(find "$MODEL_REPOSITORY" ! -uid $owner)
[ -z "$strangers" ] || failed "not the folder owner's: $strangers"

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
