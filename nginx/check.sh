#!/usr/bin/env bash
# Runs every recipe in this folder with Debian's nginx in front of the showcase, on free ports, and checks what it promises.
#
#   nginx/check.sh [RECIPE...]
set -euo pipefail
cd "$(dirname "$0")/.."
missing=()
for pair in nginx:nginx curl:curl openssl:openssl python3:python3; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  printf 'nginx/check.sh: missing: %s. On Debian or Ubuntu: sudo apt-get install %s\n' "${missing[*]}" "${missing[*]}" >&2
  exit 1
fi
cargo build -q -p corelane --example showcase
exec python3 nginx/check.py "${CARGO_TARGET_DIR:-target}/debug/examples/showcase" "$@"
