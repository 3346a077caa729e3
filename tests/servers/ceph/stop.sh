#!/bin/bash
# Stops the server that start.sh FOLDER began, by its recorded process ids, and removes the folder.
#   stop.sh FOLDER
set -u
folder=$1
for name in rgw osd mon; do
    [ -f "$folder/$name.pid" ] || continue
    id=$(cat "$folder/$name.pid")
    # The id counts only while it is still the program that was started.
    if grep -qzE "^(radosgw|ceph-osd|ceph-mon)$" "/proc/$id/cmdline" 2> /dev/null; then kill -9 "$id" 2> /dev/null; fi
done
rm -rf "$folder"
