# To be sourced: environment.sh PREFIX
export WINEPREFIX=$1 WINEDEBUG=-all WINEARCH=win64 WINEDLLOVERRIDES='winemenubuilder.exe=' PATH=/usr/lib/wine:$PATH
# What script starts.
export SHELL=/bin/bash
unset DISPLAY
# Wine does not take part in .NET's keeping apart of what is written and what is run.
export DOTNET_EnableWriteXorExecute=0
# Time zones by the names of IANA need ICU, which Windows 10 brings and Wine does not; its files lie beside the program.
export DOTNET_SYSTEM_GLOBALIZATION_APPLOCALICU=62
