#!/usr/bin/env bash
# A full and a restore over S3 against the SDK's own TransferUtility, and a restore of a fragmented point with a delay behind every request against one without: by turns,
# on a Ceph RADOS Gateway of this machine whose data lies in memory. Server and client share the processors: only the ratios say something.
set -euo pipefail

usage() {
    echo "usage: $0 [--install] [--size MIB] [--rounds N] [--delay MILLISECONDS] [--json FILE] [FOLDER]"
    echo "  FOLDER     where make-disk.sh put the disks, and where to work; default /var/tmp/natalia-bench"
    echo "  --install  install missing Debian packages with apt-get; without it they are only named"
    echo "  --size     how much of the disk is backed up; default 512"
    echo "  --rounds   how often everything is measured; the figures are medians; default 3"
    echo "  --delay    how long each request waits in the delayed restore; default 20"
    echo "  --json     where to write the figures"
}

here=$(cd "$(dirname "$0")" && pwd)
servers=$here/../tests/servers/ceph
install=0 folder=/var/tmp/natalia-bench options=()
while [ $# -gt 0 ]; do
    case $1 in
        --install) install=1 ;;
        --size|--rounds|--delay|--json) options+=("$1" "$2"); shift ;;
        -h|--help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) folder=$1 ;;
    esac
    shift
done
if [ "$install" = 1 ]; then bash "$servers/install.sh"; else bash "$servers/install.sh" --check; fi
program=$(ls -t "$here"/Natalia.Backup.Benchmarks/bin/*/*/Natalia.Backup.Benchmarks.dll 2> /dev/null | head -1 || true)
[ -n "$program" ] || { echo "The benchmarks are not built; make them with: dotnet build -c Release" >&2; exit 1; }
[ -f "$folder/disk.raw" ] || { echo "There are no disks in $folder; make them with: $here/make-disk.sh $folder" >&2; exit 1; }

work=$(mktemp -d "$folder/s3.XXXXXX")
trap 'bash "$servers/stop.sh" "$work/ceph"; rm -rf "$work"' EXIT
read -r s3 mon osd < <(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(3)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
ports = sorted(s.getsockname()[1] for s in sockets)
print(ports[0], ports[1], min(ports[2] + 1, 64900))
PY
)
# What a round deletes takes its room until the end.
NATALIA_CEPH_BYTES=$((12 << 30)) bash "$servers/start.sh" "$work/ceph" "$s3" "$mon" "$osd" "$((osd + 40))" benchmark-key benchmark-secret "$$"
cat "$folder/disk.raw" > /dev/null
dotnet "$program" s3 "$folder/disk.raw" "http://127.0.0.1:$s3" benchmark-key benchmark-secret --folder "$work" ${options[@]+"${options[@]}"}
