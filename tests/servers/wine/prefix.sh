#!/bin/bash
# Makes a Wine prefix (a Windows of its own) in a new folder: prefix.sh PREFIX
set -euo pipefail
. "$(dirname "$0")/environment.sh" "$1"
[ ! -e "$WINEPREFIX" ] || { echo "$WINEPREFIX is there already" >&2; exit 1; }
# A new one says that it is Windows 7.
wine64 wineboot -i
wine64 winecfg -v win10
# What crashes is to end, and not to wait for a debugger.
wine64 reg add 'HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug' /v Debugger /d false /f
wineserver -k || true
