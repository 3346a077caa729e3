#!/usr/bin/env bash
# Measures a served restore point: first byte of a huge disk, sequential reading against an export, random reading against restic mount and borg mount,
# memory, and the start of an appliance from it against one from a local raw image. All in one run on one disk: only the ratios say something, absolute numbers depend on the machine and the moment. What is read comes from the page cache.
set -euo pipefail
usage() {
    echo "usage: $0 [--install] [--natalia PROGRAM] [--size MIB] [--seconds N] [--boots N] [FOLDER]"
    echo "  FOLDER     where to work, emptied before and after; default /var/tmp/natalia-serving"
    echo "  --install  install missing Debian packages with apt-get; without it they are only named"
    echo "  --natalia  the runner; default out/natalia/natalia of this checkout"
    echo "  --size     MiB of data on the disk; default 1024"
    echo "  --seconds  how long random reading is measured; default 15"
    echo "  --boots    how often an appliance is started each way; default 2, 0 for never. It is made by"
    echo "             tests/servers/appliance/make.sh, which needs root and minutes for its first time on a machine"
}
here=$(cd "$(dirname "$0")" && pwd)
install=0 natalia=$here/../out/natalia/natalia size=1024 seconds=15 boots=2 folder=/var/tmp/natalia-serving
while [ $# -gt 0 ]; do
    case $1 in
        --install) install=1 ;;
        --natalia) natalia=$2; shift ;;
        --size) size=$2; shift ;;
        --seconds) seconds=$2; shift ;;
        --boots) boots=$2; shift ;;
        -h|--help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) folder=$1 ;;
    esac
    shift
done
declare -A packages=([nbdcopy]=libnbd-bin [fio]=fio [restic]=restic [borg]=borgbackup [fusermount3]=fuse3 [python3]=python3)
missing=()
for program in "${!packages[@]}"; do command -v "$program" >/dev/null || missing+=("${packages[$program]}"); done
if [ ${#missing[@]} -gt 0 ]; then
    [ "$install" = 1 ] || { echo "Missing Debian packages: ${missing[*]}. Install them, or run $0 --install." >&2; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" python3-pyfuse3
fi
[ -x "$natalia" ] || { echo "There is no runner '$natalia'; make it with: dotnet build -c Release" >&2; exit 1; }

rm -rf "$folder"; mkdir -p "$folder/vms/bench" "$folder/vms/huge" "$folder/mnt" "$folder/in"
served=
cleanup() {
    touch "$folder/stop" 2>/dev/null || true
    [ -z "$served" ] || wait "$served" 2>/dev/null || true
    fusermount3 -uz "$folder/mnt" 2>/dev/null || true
    rm -rf "$folder"
}
trap cleanup EXIT
disk=$folder/vms/bench/data.raw
python3 - "$disk" "$size" <<'PYTHON'
# As a database's disk: half of it text that compresses, a quarter random, a quarter holes.
import random, sys
rng = random.Random(1)
words = ["%x" % rng.getrandbits(rng.choice((12, 20, 28))) for _ in range(4000)]
text = " ".join(rng.choices(words, k=400000)).encode()
with open(sys.argv[1], "wb") as f:
    mib = int(sys.argv[2]) * 4 // 3
    f.truncate(mib << 20)
    for n in range(mib):
        kind = n % 4
        if kind == 3: continue
        f.seek(n << 20)
        if kind == 2: f.write(rng.randbytes(1 << 20))
        else:
            at = rng.randrange(len(text) - (1 << 20))
            f.write(text[at:at + (1 << 20)])
PYTHON
# What the file system takes at most; ext4 takes 4 KiB less than 16 TiB.
truncate -s $((16 * 1024 ** 4 - 4096)) "$folder/vms/huge/data.raw" 2>/dev/null || truncate -s 8T "$folder/vms/huge/data.raw"
printf 'far away' | dd of="$folder/vms/huge/data.raw" bs=4096 seek=$((1024 ** 4 / 4096 * 7)) conv=notrunc status=none

cat > "$folder/serve.ps1" <<'SCRIPT'
param([string] $Work)
$ErrorActionPreference = 'Stop'
$password = [Net.NetworkCredential]::new('', 'benchmark').SecurePassword
$null = Connect-NataliaHypervisor -Folder "$Work/vms"
$null = New-NataliaRepository -Name bench -Path "$Work/repository" -Password $password
$point = Invoke-NataliaBackup bench
$huge = Invoke-NataliaBackup huge
$null = $point | Export-NataliaDisk -Destination "$Work/warm.raw"
$watch = [Diagnostics.Stopwatch]::StartNew()
$null = $point | Export-NataliaDisk -Destination "$Work/exported.raw"
'export ' + $watch.Elapsed.TotalSeconds.ToString('0.000', [cultureinfo]::InvariantCulture)
$watch.Restart()
$far = $huge | Mount-NataliaRestorePoint
$buffer = [byte[]]::new(8)
"huge $($far.Uri)"
"mounted " + $watch.Elapsed.TotalSeconds.ToString('0.000', [cultureinfo]::InvariantCulture)
"size $($far.SizeBytes)"
$mount = $point | Mount-NataliaRestorePoint
"uri $($mount.Uri)"
[Console]::Out.Flush()
while (-not [IO.File]::Exists("$Work/stop")) { [Threading.Thread]::Sleep(100) }
foreach ($line in [IO.File]::ReadAllLines('/proc/self/status')) { if ($line.StartsWith('VmHWM')) { "peak $($line.Split(':')[1].Trim().Split(' ')[0])" } }
Get-NataliaMount | Dismount-NataliaRestorePoint
SCRIPT
# An export works with buffers of its own: what serving takes is told by a process that only serves.
cat > "$folder/only.ps1" <<'SCRIPT'
param([string] $Work)
$ErrorActionPreference = 'Stop'
$null = Connect-NataliaRepository -Name bench -Path "$Work/repository" -Password ([Net.NetworkCredential]::new('', 'benchmark').SecurePassword)
$rss = { foreach ($line in [IO.File]::ReadAllLines('/proc/self/status')) { if ($line.StartsWith($args[0])) { $line.Split(':')[1].Trim().Split(' ')[0] } } }
"before $(& $rss VmRSS)"
$points = @(Get-NataliaRestorePoint)
$watch = [Diagnostics.Stopwatch]::StartNew()
foreach ($one in $points | Mount-NataliaRestorePoint) { "uri-$($one.ApplianceName) $($one.Uri)" }
'mounted ' + $watch.Elapsed.TotalSeconds.ToString('0.000', [cultureinfo]::InvariantCulture)
while (-not [IO.File]::Exists("$Work/stop")) { [Threading.Thread]::Sleep(100) }
"peak $(& $rss VmHWM)"
Get-NataliaMount | Dismount-NataliaRestorePoint
SCRIPT
# The same point of a Debian with PostgreSQL, by turns: restored to raw images and started, and started from the repository.
cat > "$folder/boot.ps1" <<'SCRIPT'
param([string] $Work, [int] $Rounds)
$ErrorActionPreference = 'Stop'
$null = Connect-NataliaHypervisor -Folder "$Work/appliance" -Name exports
$null = Connect-NataliaHypervisor -Qemu "$Work/bench" -Name bench
$null = New-NataliaRepository -Name boot -Path "$Work/boot" -Password ([Net.NetworkCredential]::new('', 'benchmark').SecurePassword)
$point = Invoke-NataliaBackup natalia-nice -Hypervisor exports -IncludeSystemDisk
for ($i = 0; $i -lt $Rounds; $i++) {
    foreach ($way in 'local', 'served') {
        # Without a baseline of call records it proves nothing; here the time counts, and that the database is whole.
        $test = $point | Test-NataliaRestore -TestBench bench -FromRepository:($way -eq 'served') -ErrorAction SilentlyContinue
        $whole = ($test.Checks | Where-Object Name -In Boot, Integrity | Where-Object Result -EQ Passed).Count
        if ($whole -ne 2) { throw "The appliance did not start: $($test.Reason)" }
        "$way " + $test.BootDuration.TotalSeconds.ToString('0.0', [cultureinfo]::InvariantCulture)
    }
}
SCRIPT
value() { grep "^$1 " "$folder/log" | cut -d' ' -f2; }
start() {
    rm -f "$folder/stop"; "$natalia" "$folder/$1" "$folder" > "$folder/log" 2>&1 & served=$!
    for _ in $(seq 3000); do grep -q "^$2 " "$folder/log" && return; kill -0 $served 2>/dev/null || { cat "$folder/log" >&2; exit 1; }; sleep 0.1; done
}
stop() { touch "$folder/stop"; wait "$served" || true; served=; }
random() { fio --name=r --rw=randread --bs=4k --runtime="$seconds" --time_based --output-format=terse --terse-version=3 --group_reporting "$@" 2>/dev/null | tail -1 | cut -d';' -f8; }
seconds_of() { local from to; from=$(date +%s.%N); "$@" > /dev/null; to=$(date +%s.%N); echo "$to $from" | awk '{printf "%.3f", $1 - $2}'; }

start serve.ps1 uri
export=$(value export) uri=$(value uri)
nbdcopy "$uri" "$folder/copied.raw"; cmp "$folder/copied.raw" "$disk"; rm -f "$folder/copied.raw"
copy=$(seconds_of nbdcopy "$uri" "$folder/copied.raw"); rm -f "$folder/copied.raw" "$folder/warm.raw" "$folder/exported.raw"
stop
start only.ps1 mounted
far=$(grep '^uri-huge ' "$folder/log" | cut -d' ' -f2) uri=$(grep '^uri-bench ' "$folder/log" | cut -d' ' -f2) mounted=$(value mounted)
first=$(seconds_of python3 - "$far" <<'PYTHON'
import socket, struct, sys, urllib.parse
u = urllib.parse.urlparse(sys.argv[1])
s = socket.create_connection((u.hostname, u.port)); f = s.makefile("rb")
f.read(18); s.sendall(struct.pack(">I", 3))
name = u.path[1:].encode()
s.sendall(b"IHAVEOPT" + struct.pack(">II", 1, len(name)) + name); f.read(10)
s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, 1, 7 << 40, 8)); f.read(16)
assert f.read(8) == b"far away"
PYTHON
)
served_iops=$(random --ioengine=nbd --uri="$uri" --iodepth=16)
nbdcopy "$uri" null:
before=$(value before); stop; peak=$(value peak)

export RESTIC_PASSWORD=benchmark BORG_PASSPHRASE=benchmark BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes HOME=$folder/home; mkdir -p "$HOME"
restic_iops= borg_iops=
mounted_file() { for _ in $(seq 300); do file=$(find "$folder/mnt" -name data.raw -not -path '*/latest/*' 2>/dev/null | head -1); [ -n "$file" ] && return 0; sleep 0.1; done; return 1; }
ln "$disk" "$folder/in/data.raw"
restic -q -r "$folder/restic" init && restic -q -r "$folder/restic" backup "$folder/in"
restic -q -r "$folder/restic" mount "$folder/mnt" > /dev/null 2>&1 & mounting=$!
if mounted_file; then restic_iops=$(random --ioengine=psync --numjobs=16 --thread --filename="$file" --readonly); fi
fusermount3 -u "$folder/mnt" 2>/dev/null || kill $mounting 2>/dev/null || true; wait $mounting 2>/dev/null || true
borg init -e repokey-blake2 "$folder/borg" > /dev/null 2>&1 && borg create -C zstd "$folder/borg::a" "$folder/in" 2>/dev/null
if borg mount "$folder/borg::a" "$folder/mnt" 2>/dev/null && mounted_file; then
    borg_iops=$(random --ioengine=psync --numjobs=16 --thread --filename="$file" --readonly); borg umount "$folder/mnt"
fi
local_boot= served_boot=
median() { sort -n | awk '{v[NR] = $1} END {if (NR) printf "%.1f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
if [ "$boots" -gt 0 ]; then
    mkdir -p "$folder/appliance" "$folder/bench"
    if bash "$here/../tests/servers/appliance/make.sh" "$folder/appliance/natalia-nice" > "$folder/log" 2>&1; then
        "$natalia" "$folder/boot.ps1" "$folder" "$boots" > "$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
        local_boot=$(grep '^local ' "$folder/log" | cut -d' ' -f2 | median) served_boot=$(grep '^served ' "$folder/log" | cut -d' ' -f2 | median)
    else tail -3 "$folder/log" >&2; fi
fi
ratio() { [ -n "$2" ] && awk "BEGIN {printf \"%.2f\", $1 / $2}" || echo "not measured"; }
cat <<RESULT
disk: $size MiB of data; all in one run

first byte at 7 TiB of a huge disk      ${first} s (mounting both disks before: ${mounted} s)
nbdcopy into a file                     ${copy} s
Export-NataliaDisk to raw               ${export} s      nbdcopy at $(ratio "$export" "$copy") x its speed
random 4 KiB, depth 16, served          ${served_iops} reads/s
random 4 KiB, depth 16, restic mount    ${restic_iops:-not measured} reads/s      $(ratio "$served_iops" "$restic_iops") x
random 4 KiB, depth 16, borg mount      ${borg_iops:-not measured} reads/s      $(ratio "$served_iops" "$borg_iops") x
memory of a process that only serves    $((before / 1024)) MiB before, $((peak / 1024)) MiB at its peak
start of an appliance, raw images       ${local_boot:-not measured} s (the median of $boots)
start from the repository               ${served_boot:-not measured} s      $([ -n "$served_boot" ] && ratio "$served_boot" "$local_boot" || echo "not measured") x
RESULT
