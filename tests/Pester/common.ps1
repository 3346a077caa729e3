# Dot-sourced by every test file: the module as the build laid it out, never one that is installed.
$ErrorActionPreference = 'Stop'
$moduleRoot = [IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..', '..', 'out', 'Natalia.Backup'))
$manifest = Join-Path $moduleRoot 'Natalia.Backup.psd1'
if (-not (Test-Path $manifest)) { throw "Build first: there is no $manifest." }
if ((Get-Module Natalia.Backup | ForEach-Object ModuleBase) -ne $moduleRoot) { Import-Module $manifest -Force }

# This PowerShell once more, in a process of its own; 'dotnet pwsh' runs inside of dotnet.
$shell = (Get-Process -Id $PID).Path
if ([IO.Path]::GetFileNameWithoutExtension($shell) -eq 'dotnet') { $shell = Join-Path $PSHOME 'pwsh' }

# A folder with VMs of 1 MiB each, and a place for a repository of them.
function New-Workplace([string[]] $Name = 'natalia-paris') {
    $work = Join-Path ([IO.Path]::GetTempPath()) "natalia-pester-$(New-Guid)"
    $bytes = [byte[]]::new(1MB)
    foreach ($one in $Name) {
        [Random]::new(1).NextBytes($bytes)
        $vm = New-Item -ItemType Directory -Path (Join-Path $work "vms/$one")
        [IO.File]::WriteAllBytes((Join-Path $vm.FullName 'data.raw'), $bytes)
    }
    [pscustomobject]@{
        Root       = $work
        Vms        = Join-Path $work 'vms'
        Repository = Join-Path $work 'repository'
        Password   = [Net.NetworkCredential]::new('', 'correct horse battery staple').SecurePassword
    }
}
