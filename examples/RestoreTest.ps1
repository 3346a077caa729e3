<#
.SYNOPSIS
A restore test on this machine: backs an appliance up, restores it into an isolated VM, checks it inside, and destroys it.
.DESCRIPTION
Needs Linux with QEMU, and an appliance as a folder with vm.json, a system and a data image (docs/hypervisor-folder.md).
Installs nothing: it says which package is missing. Works in a folder of its own, which is deleted at the end.
.PARAMETER Appliance
The appliance's folder. It is read, never written.
.PARAMETER CdrCount
How many call records the appliance has of its last business day.
.PARAMETER WorkFolder
Where to work; must not exist yet. It needs room for two copies of the disks.
.EXAMPLE
natalia examples/RestoreTest.ps1 -Appliance /srv/exports/natalia-nice -CdrCount 20123
#>
param([Parameter(Mandatory)] [string] $Appliance, [Parameter(Mandatory)] [long] $CdrCount, [string] $WorkFolder)
$ErrorActionPreference = 'Stop'
if (-not (Get-Command Test-NataliaRestore -ErrorAction Ignore)) { Import-Module "$PSScriptRoot/../out/Natalia.Backup" }
$needed = @{ 'qemu-system-x86_64' = 'qemu-system-x86'; 'qemu-img' = 'qemu-utils' }
$missing = $needed.Keys | Where-Object { -not (Get-Command $_ -CommandType Application -ErrorAction Ignore) }
if ($missing) { throw "These programs are missing: $($missing -join ', '). Debian and Ubuntu have them in: $(($missing | ForEach-Object { $needed[$_] }) -join ', ')." }
if (-not (Test-Path -LiteralPath (Join-Path $Appliance vm.json))) { throw "There is no vm.json in '$Appliance'." }
$Appliance = (Resolve-Path -LiteralPath $Appliance).ProviderPath.TrimEnd('/')
$label = "restoretest-$PID"
if (-not $WorkFolder) { $WorkFolder = Join-Path ([IO.Path]::GetTempPath()) "natalia-$(New-Guid)" }
if (Test-Path -LiteralPath $WorkFolder) { throw "'$WorkFolder' is there already; name a folder that is not." }
$null = New-Item -ItemType Directory -Path $WorkFolder, (Join-Path $WorkFolder bench)
try {
    $null = Connect-NataliaHypervisor -Folder (Split-Path $Appliance) -Name "$label-vms"
    $null = Connect-NataliaHypervisor -Qemu (Join-Path $WorkFolder bench) -Name "$label-bench"
    $password = [Net.NetworkCredential]::new('', "$(New-Guid)").SecurePassword
    $null = New-NataliaRepository -Name $label -Path (Join-Path $WorkFolder repository) -Password $password
    $vm = Get-NataliaAppliance -Name * -Hypervisor "$label-vms" | Where-Object { $_.Disks.Location -like "$Appliance/*" } | Select-Object -First 1
    $system = $vm.Disks | Where-Object Role -eq System | Select-Object -First 1
    "Backing up the data disk of $($vm.Name)."
    $point = $vm | Invoke-NataliaBackup -Repository $label -CdrBaseline $CdrCount
    'Restoring it into an isolated VM with a fresh system disk, and checking it inside. That takes minutes.'
    $image = if ($system) { @{ SystemImage = $system.Location } } else { @{} }
    $test = $point | Test-NataliaRestore -TestBench "$label-bench" @image -ErrorAction Continue
    $test.Checks | Format-Table Name, Result, @{ Name = 'Seconds'; Expression = { [int] $_.Duration.TotalSeconds } }, Expected, Actual -Wrap
    "$($test.Result) in $([int] $test.Duration.TotalSeconds) seconds: restore $([int] $test.RestoreDuration.TotalSeconds), boot $([int] $test.BootDuration.TotalSeconds), checks $([int] $test.ChecksDuration.TotalSeconds). $($test.Reason)"
    $failed = "$($test.Result)" -ne 'Passed'
} finally {
    Get-NataliaRepository | Where-Object Name -eq $label | Disconnect-NataliaRepository
    Get-NataliaHypervisor | Where-Object Name -like "$label-*" | Disconnect-NataliaHypervisor
    Remove-Item -Recurse -Force -LiteralPath $WorkFolder
}
if ($failed) { throw 'The restore test did not pass.' }
