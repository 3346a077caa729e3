#!/usr/bin/env bash
# Makes the two disks that the benchmarks run on:
#   disk.raw      6 GiB ext4, about 2 GiB allocated: a stopped PostgreSQL cluster with a call-record table of 8 million rows, and 200 MB of small files
#   disk2.raw     the same disk "six hours later": 2,000 scattered 8 KiB page writes and one run of 64 MiB, each half random and half zero
#   changed.txt   what differs between them, as change tracking would report it: "offset length" in bytes, one extent per line, ascending
# The same seed gives the same rows, files and writes; PostgreSQL's own identifiers differ from run to run.
set -euo pipefail

usage() {
    echo "usage: $0 [--install] [--force] [--rows N | --size MIB] [FOLDER]"
    echo "  FOLDER     where to make them; default /var/tmp/natalia-bench (needs 10 GB while they are made)"
    echo "  --install  install missing Debian packages with apt-get; without it they are only named"
    echo "  --force    make them anew where they are there already"
    echo "  --rows     rows of the call-record table; default 8000000"
    echo "  --size     a trial: a disk of this size, 16 MiB or more, of call records alone, without PostgreSQL and file system"
}

install=0 force=0 rows=8000000 size= folder=/var/tmp/natalia-bench
while [ $# -gt 0 ]; do
    case $1 in
        --install) install=1 ;;
        --force) force=1 ;;
        --rows) rows=$2; shift ;;
        --size) size=$2; shift ;;
        -h|--help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) folder=$1 ;;
    esac
    shift
done

if [ "$force" = 0 ] && [ -f "$folder/changed.txt" ]; then
    echo "The disks are in $folder already; --force makes them anew."
    exit 0
fi

if [ -n "$size" ]; then
    here=$(cd "$(dirname "$0")" && pwd)
    mkdir -p "$folder"
    rm -f "$folder/changed.txt"
    python3 "$here/make_disk.py" records "$folder/disk.raw" "$size"
    cp --sparse=always "$folder/disk.raw" "$folder/disk2.raw"
    python3 "$here/make_disk.py" change-little "$folder/disk2.raw" "$folder/changed.txt.new"
    mv "$folder/changed.txt.new" "$folder/changed.txt"
    exit 0
fi

postgres_bin() { find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1; }
missing=()
[ -n "$(postgres_bin)" ] || missing+=(postgresql)
command -v mke2fs >/dev/null || [ -x /sbin/mke2fs ] || missing+=(e2fsprogs)
command -v python3 >/dev/null || missing+=(python3)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$install" = 0 ]; then
        echo "Missing Debian packages: ${missing[*]}. Install them, or run $0 --install." >&2
        exit 1
    fi
    # No cluster of its own: this script makes one and deletes it.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
bin=$(postgres_bin)
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/sbin:/usr/sbin

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d "$folder/making.XXXXXX")
# PostgreSQL refuses to run as root.
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
chmod 755 "$work"
mkdir -p "$work/disk/postgresql" "$work/socket"
[ "$(id -u)" != 0 ] || chown -R postgres "$work/disk/postgresql" "$work/socket"
data=$work/disk/postgresql/data
cleanup() {
    [ ! -f "$data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

cd "$work"
echo "Making the cluster: $rows call records ..."
as "$bin/initdb" -D "$data" -U natalia -A trust --no-locale -E UTF8 --no-sync >/dev/null
as "$bin/pg_ctl" -D "$data" -l "$work/socket/log" -w start >/dev/null \
    -o "-k $work/socket -c listen_addresses= -c fsync=off -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=256MB -c min_wal_size=32MB -c autovacuum=off -c maintenance_work_mem=512MB"
as "$bin/psql" -h "$work/socket" -U natalia -d postgres -q -v ON_ERROR_STOP=1 -v rows="$rows" -f - < "$here/call-records.sql"
as "$bin/pg_ctl" -D "$data" -m fast -w stop >/dev/null

echo "Making the small files ..."
python3 "$here/make_disk.py" files "$work/disk/files"

echo "Making the file system ..."
rm -f "$folder/changed.txt"
truncate -s 0 "$folder/disk.raw"
truncate -s 6G "$folder/disk.raw"
E2FSPROGS_FAKE_TIME=1893456000 mke2fs -q -F -t ext4 -L natalia-data -U 6e617461-6c69-4000-8000-000000000001 \
    -E hash_seed=6e617461-6c69-4000-8000-000000000002,lazy_itable_init=1,lazy_journal_init=1 -d "$work/disk" "$folder/disk.raw"

echo "Changing it ..."
cp --sparse=always "$folder/disk.raw" "$folder/disk2.raw"
python3 "$here/make_disk.py" change "$folder/disk2.raw" "$folder/changed.txt.new"
mv "$folder/changed.txt.new" "$folder/changed.txt"

du -B1M --apparent-size "$folder"/disk*.raw | sed 's/^/MiB virtual    /'
du -B1M "$folder"/disk*.raw | sed 's/^/MiB allocated  /'
awk '{ n++; b += $2 } END { printf "%d changed extents, %.1f MiB\n", n, b / 1048576 }' "$folder/changed.txt"
