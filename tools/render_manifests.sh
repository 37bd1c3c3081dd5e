#!/bin/sh
# Renders the chart's defaults into deploy/kustomize/base, without what only Helm needs.
set -eu
cd "$(dirname "$0")/.."
helm=${1:-helm}
{
  echo "# The chart's defaults, rendered by \`make manifests\`; do not edit."
  "$helm" template triton-embed deploy/helm/triton-embed --skip-tests \
    --set models.claim.keep=false 2> /dev/null |
    grep -v -e 'helm\.sh/chart' -e 'managed-by: Helm' -e '^# Source:' | cat -s
} > deploy/kustomize/base/triton-embed.yaml
