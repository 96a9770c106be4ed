#!/usr/bin/env bash
# Processor time for each byte of a file: the file_server example against Debian's nginx with sendfile on.
#
# Usage: benches/files.sh [rounds] [seconds] [driver ...]       (5 rounds of 4 s; driver auto)
#
# The server is pinned to the first processor, the client (wrk) to the second; servers take turns in each round, and each is
# started anew. Time is the scheduler's count (schedstat) of all threads of the server over the run, kernel threads that work for it
# included, divided by the bytes, or requests, that the client got. Ratios are taken inside a round; the last table has their
# median and range. Needs nginx, wrk, taskset and a release build, which it makes.
set -euo pipefail

rounds=${1:-5}
seconds=${2:-4}
[ $# -ge 1 ] && shift
[ $# -ge 1 ] && shift
drivers=("$@")
[ ${#drivers[@]} -gt 0 ] || drivers=(auto)

for tool in nginx wrk taskset awk; do
  command -v "$tool" >/dev/null || { echo "missing: $tool" >&2; exit 1; }
done
cd "$(dirname "$0")/.."
cargo build --quiet --release --example file_server
ours=${CARGO_TARGET_DIR:-target}/release/examples/file_server

work=$(mktemp -d)
server=
stop() { [ -n "$server" ] && { kill -TERM "$server" 2>/dev/null; wait "$server" 2>/dev/null; server=; } || true; }
trap 'stop; rm -rf "$work"' EXIT
mkdir "$work/root"
# Name, bytes, connections of the client.
cases=("large 1073741824 1" "medium 1048576 16" "page 16384 64" "small 1024 64")
for case in "${cases[@]}"; do
  read -r name bytes _ <<<"$case"
  head -c "$bytes" /dev/urandom >"$work/root/$name"
  # Into the page cache: the disk is not what is measured.
  cat "$work/root/$name" >/dev/null
done

cat >"$work/nginx.conf" <<CONF
daemon off;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  sendfile_max_chunk 2m;
  keepalive_requests 100000000;
  default_type application/octet-stream;
  server { listen 127.0.0.1:18081; root $work/root; }
}
CONF
[ "$(id -u)" = 0 ] && sed -i "1i user root;" "$work/nginx.conf"

cat >"$work/done.lua" <<'LUA'
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d\n", summary.bytes, summary.requests,
    e.connect + e.read + e.write + e.status))
end
LUA

port() { [ "$1" = nginx ] && echo 18081 || echo 18080; }

start() {
  if [ "$1" = nginx ]; then
    taskset -c 0 nginx -p "$work" -c "$work/nginx.conf" 2>/dev/null &
  else
    taskset -c 0 "$ours" --root "$work/root" --listen 127.0.0.1:18080 --cores 1 --driver "$1" 2>/dev/null &
  fi
  server=$!
  for _ in $(seq 200); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$(port "$1")") 2>/dev/null; then return; fi
    sleep 0.05
  done
  echo "$1 does not start" >&2
  exit 1
}

# Nanoseconds on a processor of every thread of the server and its children.
cpu() {
  local pids
  pids="$server $(cat "/proc/$server/task/$server/children")"
  for pid in $pids; do cat "/proc/$pid/task/"*/schedstat 2>/dev/null || true; done | awk '{ sum += $1 } END { printf "%.0f", sum }'
}

measure() { # server, file, connections -> "ns/KiB us/request GiB/s"
  local url before after out line
  url=http://127.0.0.1:$(port "$1")/$2
  taskset -c 1 wrk -t1 -c"$3" -d1s "$url" >/dev/null
  before=$(cpu)
  out=$(taskset -c 1 wrk -t1 -c"$3" -d"${seconds}s" --timeout 30s -s "$work/done.lua" "$url")
  after=$(cpu)
  line=$(grep ^RESULT <<<"$out")
  read -r _ got requests errors <<<"$line"
  [ "$errors" = 0 ] || { echo "$1 $2: $errors errors" >&2; exit 1; }
  awk -v cpu=$((after - before)) -v got="$got" -v requests="$requests" -v s="$seconds" \
    'BEGIN { printf "%.2f %.2f %.2f", cpu / got * 1024, requests ? cpu / requests / 1000 : 0, got / s / 1073741824 }'
}

echo "| round | file | server | ns of CPU / KiB | us of CPU / request | GiB/s |"
echo "| --- | --- | --- | --- | --- | --- |"
for round in $(seq "$rounds"); do
  for subject in nginx "${drivers[@]}"; do
    start "$subject"
    for case in "${cases[@]}"; do
      read -r name _ connections <<<"$case"
      read -r byte each rate <<<"$(measure "$subject" "$name" "$connections")"
      echo "| $round | $name | $subject | $byte | $each | $rate |"
      echo "$round $name $subject $byte" >>"$work/results"
    done
    stop
  done
done

echo
echo "| file | server | CPU / byte relative to nginx: median [range] |"
echo "| --- | --- | --- |"
for case in "${cases[@]}"; do
  read -r name _ <<<"$case"
  for driver in "${drivers[@]}"; do
    awk -v file="$name" -v driver="$driver" '
      $2 == file && $3 == "nginx" { base[$1] = $4 }
      $2 == file && $3 == driver { ours[$1] = $4 }
      END { for (round in ours) print ours[round] / base[round] }' "$work/results" | sort -n |
      awk -v file="$name" -v driver="$driver" '
        { all[NR] = $1 }
        END {
          middle = NR % 2 ? all[(NR + 1) / 2] : (all[NR / 2] + all[NR / 2 + 1]) / 2
          printf "| %s | %s | %.2f [%.2f-%.2f] |\n", file, driver, middle, all[1], all[NR]
        }'
  done
done
