#!/usr/bin/env bash
# Measures `ctwa backfill` over a generated lake: wall time and peak memory. Needs Linux (/proc) and Rust.
#
#   benches/backfill.sh [DAYS [MESSAGES_PER_DAY]]     default: 100 2000
#   PROFILE=release benches/backfill.sh               with the release build
set -euo pipefail
cd "$(dirname "$0")/.."

days=${1:-100}
messages=${2:-2000}
profile=${PROFILE:-dev}
target=${CARGO_TARGET_DIR:-target}
binary=$target/$([ "$profile" = dev ] && echo debug || echo "$profile")/ctwa

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo build --quiet --locked --profile "$profile"
CTWA_BENCH_LAKE=$folder CTWA_BENCH_DAYS=$days CTWA_BENCH_MESSAGES=$messages \
    cargo test --quiet --locked --test it bench_lake >/dev/null

from=2026-01-01
to=$(date -u -d "$from + $((days - 1)) days" +%F)

# Runs a command, and tells its seconds and the highest memory the kernel saw it hold.
measure() {
    local what=$1 began ended peak=0 line
    shift
    began=$(date +%s%N)
    "$@" >"$folder/out" 2>"$folder/err" &
    local pid=$!
    while line=$(grep VmHWM "/proc/$pid/status" 2>/dev/null); do
        peak=$(tr -dc 0-9 <<<"$line")
        sleep 0.02
    done
    wait "$pid" || { cat "$folder/out" "$folder/err" >&2; exit 1; }
    ended=$(date +%s%N)
    printf '%-34s %6d ms  %5d MiB\n' "$what" $(((ended - began) / 1000000)) $((peak / 1024))
}

echo "$(date -u +%F), $(nproc) cores, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)," \
    "$(awk '/MemTotal/ { printf "%d GiB", $2 / 1048576 }' /proc/meminfo), $profile build, $(rustc --version | cut -d' ' -f1,2)"
echo "$days days x $messages messages, $(du -sm "$folder/lake" | cut -f1) MiB of Parquet"
measure "backfill of all days, from nothing" "$binary" backfill "$folder/pipeline.toml" --from "$from" --to "$to"
head -2 "$folder/out"
measure "backfill of all days, again" "$binary" backfill "$folder/pipeline.toml" --from "$from" --to "$to"
measure "backfill of the last day" "$binary" backfill "$folder/pipeline.toml" --from "$to" --to "$to"
"$binary" run "$folder/pipeline.toml" >/dev/null 2>&1 # the local day before the first UTC day
measure "run with nothing to do" "$binary" run "$folder/pipeline.toml"
