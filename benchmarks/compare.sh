#!/usr/bin/env bash
# Runs restic, borg and Natalia.Backup side by side on the disks of make-disk.sh, and the primitives alone, by turns, and prints tables of medians. Absolute times depend on the machine and the moment:
# only the ratios within one run say something. Inputs come from the page cache; every step is a process of its own, its start included.
set -euo pipefail

usage() {
    echo "usage: $0 [--install] [--rounds N] [--brief] [--tools LIST] [--natalia PROGRAM] [--before PROGRAM] [--images MIB] [--json FILE] [--keep] [FOLDER]"
    echo "  FOLDER     where make-disk.sh put the disks, and where to work; default /var/tmp/natalia-bench"
    echo "  --install  install missing Debian packages with apt-get; without it they are only named"
    echo "  --rounds   how often everything is measured, by turns; the table shows medians; default 3"
    echo "  --brief    only a full, a second point, a restore and a verification"
    echo "  --tools    which to run, in order; default natalia,restic,borg; the primitives are measured before and behind natalia"
    echo "  --natalia  the runner; default out/natalia/natalia of this checkout"
    echo "  --before   the runner of another build, as the tool 'before': what a change made faster or slower"
    echo "  --images   how large the disk images are that are compared by format; 0 for none; default 512"
    echo "  --json     where to write the table's figures, and those of the primitives"
    echo "  --keep     leave the repositories in FOLDER/compare"
}

here=$(cd "$(dirname "$0")" && pwd)
install=0 keep=0 folder=/var/tmp/natalia-bench tools=natalia,restic,borg natalia=$here/../out/natalia/natalia before=
rounds=3 brief=0 images=512 json= formats="VHDX VMDK"
while [ $# -gt 0 ]; do
    case $1 in
        --install) install=1 ;;
        --keep) keep=1 ;;
        --brief) brief=1 formats= ;;
        --rounds) rounds=$2; shift ;;
        --images) images=$2; shift ;;
        --json) json=$2; shift ;;
        --tools) tools=$2; shift ;;
        --natalia) natalia=$2; shift ;;
        --before) before=$2; shift ;;
        -h|--help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) folder=$1 ;;
    esac
    shift
done

if [ -n "$before" ]; then
    case ,$tools, in *,before,*) ;; *) tools=before,$tools ;; esac
fi
has() { case ,$tools, in *,$1,*) return 0 ;; *) return 1 ;; esac; }
missing=()
[ -x /usr/bin/time ] || missing+=(time)
command -v python3 >/dev/null || missing+=(python3)
! has restic || command -v restic >/dev/null || missing+=(restic)
! has borg || command -v borg >/dev/null || missing+=(borgbackup)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$install" = 0 ]; then
        echo "Missing Debian packages: ${missing[*]}. Install them, or run $0 --install." >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
if has before && [ -z "$before" ]; then echo "Which build is 'before'? Name its runner with --before." >&2; exit 2; fi
runners=()
! has natalia || runners+=("$natalia")
! has before || runners+=("$before")
for runner in ${runners[@]+"${runners[@]}"}; do
    if [ ! -x "$runner" ]; then
        echo "There is no runner '$runner'; make it with: dotnet build -c Release" >&2
        exit 1
    fi
done
# The primitives are ours to be measured against.
program=
if has natalia; then
    program=$(ls -t "$here"/Natalia.Backup.Benchmarks/bin/*/*/Natalia.Backup.Benchmarks.dll 2> /dev/null | head -1 || true)
    [ -n "$program" ] || { echo "The benchmarks are not built; make them with: dotnet build -c Release" >&2; exit 1; }
fi
if [ ! -f "$folder/changed.txt" ]; then
    echo "There are no disks in $folder; make them with: $here/make-disk.sh $folder" >&2
    exit 1
fi

folder=$(cd "$folder" && pwd)
work=$folder/compare
rm -rf "$work"
mkdir -p "$work/vms/vm"
[ "$keep" = 1 ] || trap 'rm -rf "$work"' EXIT
results=$work/results.tsv
: > "$results"

# The disk under its one path; a hard link costs nothing.
show() { ln -f "$folder/$1" "$work/vms/vm/data.raw"; cat "$work/vms/vm/data.raw" > /dev/null; }

# run TOOL STEP REPOSITORY COMMAND...: wall, CPU, memory, what the repository grew by, and page faults that no disk was read for.
run() {
    local tool=$1 step=$2 repository=$3 before after
    shift 3
    before=$(du -s -B1 "$repository" 2>/dev/null | cut -f1 || true)
    sync
    if ! /usr/bin/time -o "$work/time" -f '%e %U %S %M %R' "$@" > "$work/log" 2>&1; then
        echo "$tool, $step has failed:" >&2
        cat "$work/log" >&2
        exit 1
    fi
    after=$(du -s -B1 "$repository" | cut -f1)
    # The last line: a program that ended with a failure writes one of its own before.
    tail -1 "$work/time" | awk -v t="$tool" -v s="$step" -v a="$after" -v b="${before:-0}" \
        -v r="$round" 'BEGIN { OFS = "\t" } { print t, s, r, $1, $2 + $3, $4 * 1024, a - b, $5 }' >> "$results"
    tail -1 "$results" | awk -F'\t' '{ printf "%-8s %-32s %7.2f s  %6.2f s CPU  %6.0f MiB memory  %+9.1f MiB stored\n", $1, $2, $4, $5, $6 / 1048576, $7 / 1048576 }'
}
same() { cmp -s "$1" "$folder/disk2.raw" || { echo "$1 is not the disk that was backed up." >&2; exit 1; }; rm -f "$1"; }

restic_all() {
    export RESTIC_PASSWORD=benchmark RESTIC_REPOSITORY=$work/restic RESTIC_CACHE_DIR=$work/restic-cache
    restic init > /dev/null
    cd "$work/vms/vm"
    show disk.raw;  run restic 'full' "$work/restic" restic backup data.raw
    show disk2.raw; run restic 'second point, disk read again' "$work/restic" restic backup data.raw
    mkdir -p "$work/out"
    run restic 'restore the second point' "$work/restic" restic restore latest --target "$work/out"
    same "$(find "$work/out" -name data.raw)"
    run restic 'verify' "$work/restic" restic check --read-data
}

borg_all() {
    export BORG_PASSPHRASE=benchmark BORG_BASE_DIR=$work/borg-home BORG_REPO=$work/borg
    borg init -e repokey-blake2 2> /dev/null
    cd "$work/vms/vm"
    show disk.raw;  run borg 'full' "$work/borg" borg create -C zstd,1 ::first data.raw
    show disk2.raw; run borg 'second point, disk read again' "$work/borg" borg create -C zstd,1 ::second data.raw
    mkdir -p "$work/out-borg"; cd "$work/out-borg"
    run borg 'restore the second point' "$work/borg" borg extract --sparse ::second
    same "$work/out-borg/data.raw"
    run borg 'verify' "$work/borg" borg check --verify-data
}

# The changes file as an export program would write it, see docs/hypervisor-folder.md.
tell_changes() {
    python3 - "$work/vms/vm/data.raw" "$work/vms/vm/data.changes.json" "$@" <<'PY'
import datetime, json, os, sys
image, target, token = sys.argv[1:4]
status = os.stat(image)
seconds, rest = divmod(status.st_mtime_ns, 1_000_000_000)
time = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + ".%07dZ" % (rest // 100)
changes = []
if len(sys.argv) > 4:
    changes.append({"since": sys.argv[4], "extents": [[int(n) for n in line.split()] for line in open(sys.argv[5])]})
with open(target, "w") as file:
    json.dump({"token": token, "imageLength": status.st_size, "imageModifiedUtc": time, "changes": changes}, file)
PY
}

natalia_all() { runner_all natalia "$natalia"; }
before_all() { runner_all before "$before"; }

runner_all() {
    local tool=$1 natalia=$2 into=$work/$1
    cat > "$work/vms/vm/vm.json" <<'JSON'
{ "id": "benchmark", "name": "benchmark", "disks": [ { "id": "data", "path": "data.raw", "role": "Data", "changes": "data.changes.json" } ] }
JSON
    step() { "$natalia" "$here/natalia-step.ps1" "$@"; }
    timed() { local name=$1 repository=$2; shift 2; run "$tool" "$name" "$repository" "$natalia" "$here/natalia-step.ps1" "$@"; }
    # The same at a prompt where a backup was made before: the cmdlet alone, timed by the session, without the start of a process, the import and the password.
    at_prompt() {
        local title=$1 type=$2 repository=$3
        cat > "$work/swap.sh" <<SWAP
ln -f "$folder/disk2.raw" "$work/vms/vm/data.raw"; cat "$work/vms/vm/data.raw" > /dev/null
cp "$work/changes-second.json" "$work/vms/vm/data.changes.json"; sync
SWAP
        ( show disk2.raw; tell_changes second first "$folder/changed.txt"; mv "$work/vms/vm/data.changes.json" "$work/changes-second.json" )
        # What is verified or restored is the second point, which is there already.
        if [ "$type" = verify ] || [ "$type" = restore ]; then show disk2.raw; tell_changes second; else show disk.raw; tell_changes first; fi
        sync
        step -Step prompt -Type "$type" -Work "$work" -Repository "$repository" > "$work/log"
        awk -v t="$tool" -v s="at an open prompt, $title" -v r="$round" '/^seconds / { print t "\t" s "\t" r "\t" $2 "\t0\t0\t0\t0" }' "$work/log" >> "$results"
        tail -1 "$results" | awk -F'\t' '{ printf "%-8s %-32s %7.2f s\n", $1, $2, $4 }'
    }
    step -Step init -Work "$work" -Repository "$into" > /dev/null
    timed 'start of the shell' "$into" -Step start
    show disk.raw; tell_changes first
    timed 'full' "$into" -Step full -Work "$work" -Repository "$into"
    [ "$brief" = 1 ] || timed 'second point, nothing changed' "$into" -Step incremental -Work "$work" -Repository "$into"
    [ "$brief" = 1 ] || cp -r "$into" "$into-2"
    show disk2.raw
    if [ "$brief" = 0 ]; then
        tell_changes second
        timed 'second point, disk read again' "$into-2" -Step full -Work "$work" -Repository "$into-2"
        cp -r "$into" "$into-3"; cp -r "$into" "$into-4"
    fi
    tell_changes second first "$folder/changed.txt"
    timed 'second point, changes known' "$into" -Step incremental -Work "$work" -Repository "$into"
    grep -q '^Incremental$' "$work/log" || { echo "The changes were not used:" >&2; cat "$work/log" >&2; exit 1; }
    if [ "$brief" = 0 ]; then
        at_prompt 'full' new "$into-4"
        at_prompt 'changes known' incremental "$into-3"
        at_prompt 'disk read again' full "$into-4"
        rm -rf "$into-4"
        at_prompt 'verify' verify "$into-3"
        at_prompt 'restore' restore "$into-3"
        same "$work/restored.raw"
    fi
    show disk2.raw
    timed 'restore the second point' "$into" -Step restore -Work "$work" -Repository "$into"
    same "$work/restored.raw"
    for format in $formats; do
        timed "restore to $format" "$into" -Step restore -Type "$format" -Work "$work" -Repository "$into"
        rm -f "$work"/restored.*
    done
    timed 'verify' "$into" -Step verify -Work "$work" -Repository "$into"
    [ "$brief" = 1 ] || timed 'scrub every object' "$into" -Step scrub -Work "$work" -Repository "$into"
}

# What the primitives take, right before and right behind what is measured against them: a machine has slow minutes.
primitives() {
    local out=$work/primitives-$round-$1.json
    dotnet "$program" primitives "$folder/disk.raw" --rounds 1 --folder "$work" --json "$out" > "$work/log" 2>&1 \
        || { echo "The primitives have failed:" >&2; cat "$work/log" >&2; exit 1; }
    primitive_files+=("$out")
    awk '/plain loop/ { printf "%-8s %-32s %7.2f s  %6.2f s CPU\n", "limit", $1 " " $2 " " $3, $4, $6 }' "$work/log"
}

# By turns, so that a machine that becomes slower becomes so for all.
primitive_files=()
for round in $(seq "$rounds"); do
    [ "$rounds" = 1 ] || echo "round $round of $rounds"
    rm -rf "$work"/{restic,restic-cache,borg,borg-home,natalia,natalia-*,before,before-*,out,out-borg}
    for tool in ${tools//,/ }; do
        [ "$tool" != natalia ] || primitives before
        ( "${tool}_all" )
        [ "$tool" != natalia ] || primitives after
    done
done
images_file=
if [ -n "$program" ] && [ "$images" != 0 ]; then
    images_file=$work/images.json
    dotnet "$program" images "$images" "$rounds" "$work" "$images_file" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
fi

python3 "$here/compare_table.py" "$results" "$images_file" "$json" ${primitive_files[@]+"${primitive_files[@]}"}
