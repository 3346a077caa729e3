#!/usr/bin/env bash
# Makes docs/images/terminal.svg again, in a terminal of 120 columns. Build first.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet tool restore > /dev/null
script -qec "stty cols 120 rows 60; dotnet pwsh -NoProfile -File tools/terminal-picture.ps1 $*" /dev/null
