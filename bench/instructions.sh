#!/usr/bin/env bash
# Instructions for each operation of the core, by callgrind: the table of docs/performance.md. An operation is run once
# and 101 times; the difference is a hundred of it, whatever the program takes to start. Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v valgrind >/dev/null; then
    echo "valgrind is missing: apt-get install valgrind" >&2
    exit 1
fi
cargo build -q --release --locked -p iothub-proto --example instructions
program=${CARGO_TARGET_DIR:-target}/release/examples/instructions

count() {
    env -i valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 | awk '/Collected/ { print $NF }'
}

echo '| operation | instructions |'
echo '|---|--:|'
"$program" | while read -r operation; do
    echo "| $operation | $((($(count "$operation" 101) - $(count "$operation" 001)) / 100)) |"
done
