<#
.SYNOPSIS
The main job, from the first connection to the proof that a restored disk is the disk that was backed up.
.DESCRIPTION
Works in a folder of its own, which is deleted at the end. Runs in natalia, in PowerShell 7 and in Windows PowerShell.
.PARAMETER Image
A raw disk image. It is copied first and never written. Left out, a small disk with call records is made.
.PARAMETER SizeMB
The virtual size of the disk that is made.
.PARAMETER WorkFolder
Where to work; must not exist yet. Left out, a new folder beside the other temporary files.
.PARAMETER Keep
Leaves the folder, with the VM and the repository in it, for a look around.
.EXAMPLE
natalia examples/QuickStart.ps1 -Image D:\Exports\natalia-data.raw -WorkFolder D:\QuickStart -Keep
#>
param([string] $Image, [ValidateRange(1, 1048576)] [int] $SizeMB = 512, [string] $WorkFolder, [switch] $Keep)
$ErrorActionPreference = 'Stop'
if (-not (Get-Command Invoke-NataliaBackup -ErrorAction Ignore)) { Import-Module "$PSScriptRoot/../out/Natalia.Backup" }
$label = "quickstart-$PID"; $random = [Random]::new(20300101)
if (-not $WorkFolder) { $WorkFolder = Join-Path ([IO.Path]::GetTempPath()) "natalia-$(New-Guid)" }
if (Test-Path -LiteralPath $WorkFolder) { throw "'$WorkFolder' is there already; name a folder that is not." }
$vm = (New-Item -ItemType Directory -Path (Join-Path $WorkFolder vms/natalia-demo)).FullName
$disk = Join-Path $vm data.raw
# What an export program writes beside an image when it knows what changed; docs/hypervisor-folder.md has the details.
function Set-Change([string] $Token, [object[]] $Changes = @()) {
    $file = Get-Item -LiteralPath $disk
    $time = $file.LastWriteTimeUtc.ToString('o')
    @{ token = $Token; imageLength = $file.Length; imageModifiedUtc = $time; changes = $Changes } | ConvertTo-Json -Depth 5 |
        Set-Content -LiteralPath "$disk.changes.json"
}
try {
    if ($Image) { Copy-Item -LiteralPath $Image -Destination $disk }
    else {
        # A disk of a young appliance: some call records, a little that does not compress, the rest never written.
        $records = foreach ($n in 1..15000) { '{0};paris;+331{1:D8};{2};ANSWERED' -f $n, $random.Next(1e8), $random.Next(900) }
        $text = [Text.Encoding]::ASCII.GetBytes($records -join "`n"); $noise = [byte[]]::new(256KB)
        $stream = [IO.File]::Create($disk); $stream.SetLength($SizeMB * 1MB)
        for ($at = 0; $at -le ($SizeMB - 2) * 1MB; $at += 8MB) {
            $stream.Position = $at; $random.NextBytes($noise)
            $stream.Write($noise, 0, $random.Next($noise.Length)); $stream.Write($text, 0, $text.Length)
        }
        $stream.Dispose()
    }
    @{
        id = '9d1b6f0e-5c1c-4b6e-8a55-0d6f7a3c2e10'; name = 'natalia-demo'; processorCount = 4; memoryBytes = 8GB
        disks = @(@{ id = 'scsi1'; path = 'data.raw'; role = 'Data'; changes = 'data.raw.changes.json' })
    } | ConvertTo-Json -Depth 4 | Set-Content -LiteralPath (Join-Path $vm vm.json)
    Set-Change morning
    $hypervisor = Connect-NataliaHypervisor -Folder (Join-Path $WorkFolder vms) -Name $label
    $secret = "$(New-Guid)"; $password = [Net.NetworkCredential]::new('', $secret).SecurePassword
    $repository = New-NataliaRepository -Name $label -Path (Join-Path $WorkFolder repository) -Password $password
    'The first backup reads everything.'
    $morning = Get-FileHash -LiteralPath $disk
    $appliance = Get-NataliaAppliance -Name natalia-demo -Hypervisor $hypervisor
    $full = $appliance | Invoke-NataliaBackup -Repository $repository -Type Full
    'Six hours later some pages have changed. The second backup reads and stores only these.'
    $stream = [IO.File]::OpenWrite($disk); $page = [byte[]]::new([Math]::Min(8KB, $stream.Length))
    $extents = foreach ($n in 1..200) {
        $stream.Position = [long] ($random.NextDouble() * ($stream.Length - $page.Length))
        , @($stream.Position, $page.Length)
        $random.NextBytes($page); $stream.Write($page, 0, $page.Length)
    }
    $stream.Dispose(); Set-Change noon @(@{ since = 'morning'; extents = $extents })
    $noon = Get-FileHash -LiteralPath $disk
    $next = $appliance | Invoke-NataliaBackup -Repository $repository -Type Incremental
    $points = Get-NataliaRestorePoint -Repository $repository; $points | Format-Table
    'Every point and every object of the repository is checked; both points are exported and compared.'
    $checks = @($points | Test-NataliaRestorePoint) + @(Test-NataliaRepository -Repository $repository -Full)
    $checks | Group-Object -Property Result | Format-Table Name, Count
    if ($checks | Where-Object Result -EQ Failed) { throw 'A check has failed.' }
    foreach ($state in @{ Point = $full; Hash = $morning.Hash }, @{ Point = $next; Hash = $noon.Hash }) {
        $export = Join-Path $WorkFolder "restored-$($state.Point.RestorePointId).raw"
        $null = $state.Point | Export-NataliaDisk -Destination $export
        if ((Get-FileHash -LiteralPath $export).Hash -ne $state.Hash) { throw "$($state.Point) is not the disk as it was." }
        "The $("$($state.Point.Type)".ToLowerInvariant()) point $($state.Point): exported, the same byte for byte."; Remove-Item -LiteralPath $export
    }
    if ($Keep) { "Everything is in $WorkFolder; the repository's password is $secret" }
    else { 'Done. Next: Connect-NataliaHypervisor to your own VMs, and New-NataliaRepository on your own storage.' }
}
finally {
    if ($repository) { Disconnect-NataliaRepository -Repository $label }
    if ($hypervisor) { Disconnect-NataliaHypervisor -Hypervisor $label }
    # On Windows a virus scanner may still have a file open that was just written.
    for ($try = 1; -not $Keep -and (Test-Path -LiteralPath $WorkFolder); $try++) {
        try { Remove-Item -LiteralPath $WorkFolder -Recurse -Force -ErrorAction Stop }
        catch { if ($try -eq 10) { throw }; Start-Sleep -Milliseconds 300 }
    }
}
