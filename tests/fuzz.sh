#!/usr/bin/env bash
# Builds the fuzz targets of every crate with the stable compiler and runs them, as many at once as there are processors.
#
#   bash tests/fuzz.sh [SECONDS] [TARGET...]
#
# Seconds are per target, 30 unless told; all targets unless some are named. What was found is kept in corpus/ and
# artifacts/ beside the targets, which git ignores. With cargo-fuzz at hand, `cargo fuzz run TARGET` does as well.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-30}
shift || true
wanted=" $* "

# The flags that cargo-fuzz passes. They are not stable, hence the bootstrap switch; naming the
# host's triple keeps them away from build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module -Ccodegen-units=1 \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# One folder for all, so that what two crates use is built once.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/fuzz}

# One target, in its crate's folder: what it prints is one line, or the end of its log.
run() {
    local folder=$1 target=$2
    cd "$folder"
    mkdir -p "corpus/$target" "artifacts/$target"
    local dirs=("corpus/$target") log="artifacts/$target.log"
    if [ -d "seeds/$target" ]; then dirs+=("seeds/$target"); fi
    if "$CARGO_TARGET_DIR/$host/release/$target" "${dirs[@]}" -artifact_prefix="artifacts/$target/" \
        -max_total_time="$seconds" -max_len=2048 >"$log" 2>&1; then
        echo "$target: $(grep DONE "$log")"
    else
        tail -40 "$log"
        echo "$target: failed, see $PWD/$log"
        return 1
    fi
}
export -f run
export seconds host

jobs=()
for manifest in $(git ls-files '*/fuzz/Cargo.toml'); do
    folder=$(dirname "$manifest")
    (cd "$folder" && cargo build --quiet --locked --release --target "$host")
    for source in "$folder"/fuzz_targets/*.rs; do
        target=$(basename "$source" .rs)
        if [ -z "${wanted// /}" ] || [[ $wanted == *" $target "* ]]; then jobs+=("$folder" "$target"); fi
    done
done
[ ${#jobs[@]} -gt 0 ] || { echo "no fuzz target is called$wanted" >&2; exit 1; }
printf '%s\n' "${jobs[@]}" | xargs -n 2 -P "$(nproc)" bash -c 'run "$0" "$1" || exit 255'
