#!/bin/bash
# Prepares, in a new folder outside the checkout, what runs under Wine: prepare.sh FOLDER [CONFIGURATION]
# The solution has been built before: the tests are taken from there, as they are the same for every system.
#   prefix           a Windows of its own
#   out              the runner as it is published for Windows, and the module beside it as in the checkout's out
#   out-netstandard  the same, with the module's assemblies for Windows PowerShell 5.1 in place of the others
#   parts, module    the tests, each with the runtime for Windows beside them
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd) configuration=${2:-Release} framework=net10.0

bash "$root/tests/servers/wine/prefix.sh" "$folder/prefix" > "$folder/prefix.log" 2>&1 &
prefix=$!

publish() {
    # No server stays behind that would hold on to this script's output.
    dotnet publish "$root/$1" -c "$configuration" -r win-x64 --self-contained true -o "$2" -v q --nologo \
        --artifacts-path "$folder/artifacts" -p:OutputRoot="$folder/out/" -p:RunAnalyzers=false -nodeReuse:false -p:UseSharedCompilation=false
}
publish src/Natalia.Backup.Host "$folder/out/natalia"
publish tests/windows/Natalia.Backup.Windows "$folder/program"
rm -rf "$folder/artifacts" "$folder"/out/natalia-*

# All in one folder, and without lists of what belongs to one program only.
lay_out() {
    local to=$folder/$1 project
    shift
    cp -al "$folder/program" "$to"
    cp -aln "$folder/out/natalia/." "$to"
    rm -rf "$to/Modules/Natalia.Backup" "$to"/natalia.*
    for project in "$@"; do cp -rn "$root/tests/$project/bin/$configuration/$framework/." "$to"; done
    rm -rf "$to"/*.deps.json "$to/runtimes" "$to/mono"
}
lay_out parts Natalia.Backup.Engine.Tests Natalia.Backup.Cmdlets.Tests Natalia.Backup.Hypervisors.Tests
lay_out module Natalia.Backup.Module.Tests

cp "$folder"/program/icu*62.dll "$folder/out/natalia"
cp -al "$folder/out" "$folder/out-netstandard"
for module in Natalia.Backup natalia/Modules/Natalia.Backup; do
    rm -r "$folder/out-netstandard/$module/bin/net8.0"
    cp -al "$folder/out-netstandard/$module/bin/netstandard2.0" "$folder/out-netstandard/$module/bin/net8.0"
done
wait "$prefix" || { cat "$folder/prefix.log"; exit 1; }
