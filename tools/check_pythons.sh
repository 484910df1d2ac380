#!/usr/bin/env bash
# The project on every supported Python of this machine: `make run CHECK=1` in an environment of its own, from wheels only,
# and a resolution of all that development needs, from wheels only (nothing of that is installed: torch is large).
set -euo pipefail
cd "$(dirname "$0")/.."

skipped=()
for version in 3.11 3.12 3.13; do
    if ! python=$(tools/find_python.sh "$version" 2>/dev/null); then
        skipped+=("$version")
        continue
    fi
    echo "=== Python $version: $python"
    venv=.cache/pythons/$version
    PIP_ONLY_BINARY=:all: make --no-print-directory run CHECK=1 VENV="$venv" PYTHON="$python" \
        TRITON_HTTP_PORT=0 TRITON_GRPC_PORT=0 TRITON_METRICS_PORT=0 GATEWAY_PORT=0 GATEWAY_HTTP_PORT=0 GATEWAY_METRICS_PORT=0 \
        ENVOY_PORT=0 CONSOLE_PORT=0
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --dry-run --only-binary :all: \
        -c constraints.txt -e '.[dev]'
    echo "=== Python $version: routed queries, and every pin has a wheel"
done
for version in "${skipped[@]}"; do
    echo "!!! SKIPPED: no Python $version with venv is on this machine" >&2
done
