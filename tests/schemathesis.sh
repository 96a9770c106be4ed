#!/usr/bin/env bash
# Schemathesis against the OpenAPI documents of the showcase and of the REST example, over a socket: every answer has a
# status and a schema that the document names, what breaks the schema is refused, and nothing is a 5xx.
#
#   bash tests/schemathesis.sh [SCHEMATHESIS]
set -euo pipefail
cd "$(dirname "$0")/.."
schemathesis=${1:-target/tools/bin/schemathesis}
target=${CARGO_TARGET_DIR:-target}
log=$(mktemp)
pid=
trap 'kill "$pid" 2>/dev/null || true; rm -f "$log"' EXIT

# check NAME [OPTION...]: the server runs already as $pid and logs to $log.
check() {
  local name=$1 address=; shift
  for _ in $(seq 100); do
    address=$(sed -n 's/.*address=\([0-9.:]*\).*/\1/p' "$log" | head -1)
    [ -n "$address" ] && break
    sleep 0.1
  done
  [ -n "$address" ] || { cat "$log"; printf '%s does not listen\n' "$name" >&2; exit 1; }
  printf 'schemathesis: %s at %s\n' "$name" "$address"
  "$schemathesis" --config-file tests/schemathesis.toml run "http://$address/openapi.json" --no-color --seed 1 \
    --max-examples 50 --request-timeout 20 "$@" | cut -c1-400
  kill "$pid"; wait "$pid" || true
}

cargo build -q -p corelane --example showcase --example rest

NO_COLOR=1 "$target/debug/examples/showcase" --listen 127.0.0.1:0 --cores 1 2>"$log" &
pid=$!
# Left out: what fails, waits, or sends for as long as it is asked to, on purpose.
check showcase --exclude-operation-id panics --exclude-operation-id sleep --exclude-operation-id stream

CORELANE_SERVER__LISTEN=127.0.0.1:0 CORELANE_SERVER__CORES=1 "$target/debug/examples/rest" 2>"$log" &
pid=$!
check rest
