#!/bin/bash
# Starts a throw-away S3 server for tests: Ceph RADOS Gateway with one monitor and one OSD whose data lives in memory. Everything listens on 127.0.0.1 and lies in one folder.
#   start.sh FOLDER S3_PORT MON_PORT OSD_PORT_MIN OSD_PORT_MAX ACCESS_KEY SECRET_KEY [OWNER_PID]
# Holds 4 GiB, or as many bytes as NATALIA_CEPH_BYTES says: what is deleted takes its room until the server collects it, an hour later.
# Buckets are also reached by a host name, BUCKET.s3.natalia.test, which the client has to lead to 127.0.0.1 itself. Quotas count at once.
# FOLDER must be empty or absent. Returns when the server answers; stop.sh FOLDER ends it, and so does the end of the process OWNER_PID. The ports must be free; the OSD takes up to eight of its range.
set -euo pipefail
folder=$1 s3=$2 mon=$3 osd_min=$4 osd_max=$5 access=$6 secret=$7 owner=${8:-}
here=$(cd "$(dirname "$0")" && pwd)
for program in ceph-mon ceph-osd radosgw radosgw-admin monmaptool ceph; do
    command -v "$program" > /dev/null || { echo "$program is not installed (Debian: radosgw ceph-mon ceph-osd ceph-common)" >&2; exit 3; }
done
mkdir -p "$folder/mon" "$folder/osd" "$folder/log" "$folder/run"
folder=$(cd "$folder" && pwd)
fsid=$(cat /proc/sys/kernel/random/uuid)
cat > "$folder/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = v2:127.0.0.1:$mon
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
ms bind port min = $osd_min
ms bind port max = $osd_max
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms cluster mode = crc
ms service mode = crc
ms client mode = crc
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd crush chooseleaf type = 0
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon max pg per osd = 2000
mon data avail warn = 1
mon data avail crit = 0
paxos propose interval = 0.05
paxos min wait = 0.01
osd objectstore = memstore
memstore device bytes = ${NATALIA_CEPH_BYTES:-4294967296}
osd heartbeat interval = 30
admin socket =
log file = $folder/log/\$name.log
mon data = $folder/mon
osd data = $folder/osd
run dir = $folder/run
keyring = /dev/null
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$s3 tcp_nodelay=1
rgw data = $folder/rgw
rgw gc obj min wait = 1
rgw thread pool size = 64
rgw dns name = s3.natalia.test
rgw bucket quota ttl = 0
CONF
export CEPH_CONF="$folder/ceph.conf" CEPH_ARGS="--no-mon-config"
monmaptool --create --fsid "$fsid" --addv a "v2:127.0.0.1:$mon" "$folder/monmap" > "$folder/log/setup.log" 2>&1
ceph-mon --mkfs -i a --monmap "$folder/monmap" >> "$folder/log/setup.log" 2>&1
started=()
# A half-started server is stopped again by the ids recorded here.
trap 'for id in "${started[@]}"; do kill "$id" 2> /dev/null || true; done' ERR
launch() { # name, command...
    local name=$1; shift
    setsid "$@" < /dev/null > "$folder/log/$name.out" 2>&1 &
    echo $! > "$folder/$name.pid"
    started+=($!)
}
launch mon ceph-mon -f -i a
uuid=$(cat /proc/sys/kernel/random/uuid)
ceph --connect-timeout 20 osd new "$uuid" 0 >> "$folder/log/setup.log" 2>&1
ceph-osd --mkfs -i 0 --osd-uuid "$uuid" >> "$folder/log/setup.log" 2>&1
launch osd ceph-osd -f -i 0
launch rgw radosgw -f -n client.rgw
radosgw-admin -n client.rgw user create --uid=tests --display-name=tests --access-key="$access" --secret-key="$secret" --caps="user-policy=*" >> "$folder/log/setup.log" 2>&1
for _ in $(seq 300); do
    kill -0 "$(cat "$folder/rgw.pid")" 2> /dev/null || { echo "radosgw ended:" >&2; tail -5 "$folder/log/rgw.out" >&2; false; }
    if (exec 3<> "/dev/tcp/127.0.0.1/$s3") 2> /dev/null; then
        if [ -n "$owner" ]; then
            # A killed test run stops nothing itself.
            setsid bash -c 'while kill -0 "$1" 2> /dev/null && [ -d "$2" ]; do sleep 1; done; bash "$3/stop.sh" "$2"' watch "$owner" "$folder" "$here" < /dev/null > /dev/null 2>&1 &
        fi
        exit 0
    fi
    sleep 0.1
done
echo "radosgw did not answer on port $s3 within 30 seconds; see $folder/log" >&2
false
