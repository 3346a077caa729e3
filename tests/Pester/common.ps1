# Dot-sourced by every test file: the module as the build laid it out, never one that is installed.
$ErrorActionPreference = 'Stop'
$moduleRoot = [IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..', '..', 'out', 'Natalia.Backup'))
$manifest = Join-Path $moduleRoot 'Natalia.Backup.psd1'
if (-not (Test-Path $manifest)) { throw "Build first: there is no $manifest." }
if ((Get-Module Natalia.Backup | ForEach-Object ModuleBase) -ne $moduleRoot) { Import-Module $manifest -Force }
