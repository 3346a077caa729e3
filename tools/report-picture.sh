#!/usr/bin/env bash
# Makes docs/images/report.png again, from the made-up data of the tests. Needs what tests/servers/chromium/install.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
NATALIA_REQUIRE_REAL=1 NATALIA_PICTURES="$folder" dotnet test -c Release tests/Natalia.Backup.Cmdlets.Tests \
  --filter FullyQualifiedName~The_picture_of_the_readme_shows_the_headline
mkdir -p docs/images
cp "$folder/report.png" docs/images/report.png
