#!/bin/bash
# Runs a program of .NET for Windows in a prefix, to its end: run.sh PREFIX SECONDS PROGRAM [ARGUMENT…]
# It gets a console, without which PowerShell does not start; what goes through that is full of the console's own commands, so programs write into files.
set -euo pipefail
seconds=$2
. "$(dirname "$0")/environment.sh" "$1"
shift 2
# This prefix only. Whatever is left when the time is over would hold on to files.
trap 'wineserver -k || true' EXIT
command=$(printf '%q ' wine64 "$@")
timeout --kill-after=10 "$seconds" script -qefc "$command" /dev/null < /dev/null
