<#
.SYNOPSIS
The main job, from the first connection to the proof that a restored disk is the disk that was backed up.

.DESCRIPTION
Works on a copy of the disk image that you name, or on a small one that it makes. Everything goes to a folder of its own, which is deleted at the end.
Runs in natalia, in PowerShell 7 and in Windows PowerShell.

.PARAMETER Image
A raw disk image. It is copied first and never written. Left out, a disk with call records is made.

.PARAMETER SizeMB
The virtual size of the disk that is made.

.PARAMETER WorkFolder
Where to work; must not exist yet. Left out, a new folder beside the other temporary files.

.PARAMETER Keep
Leaves the folder, with the VM and the repository in it, for a look around.

.EXAMPLE
natalia examples/QuickStart.ps1

.EXAMPLE
natalia examples/QuickStart.ps1 -Image D:\Exports\natalia-data.raw -WorkFolder D:\QuickStart -Keep
#>
param(
    [string] $Image,
    [ValidateRange(1, 1048576)] [int] $SizeMB = 512,
    [string] $WorkFolder,
    [switch] $Keep
)
$ErrorActionPreference = 'Stop'
$invariant = [Globalization.CultureInfo]::InvariantCulture
$MB = 1048576

# Only what the bare engine brings is used, so that the script runs where nothing but natalia is installed.
if (-not (Get-Command Invoke-NataliaBackup -ErrorAction Ignore)) {
    Import-Module ([IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..', 'out', 'Natalia.Backup')))
}

function FormatSize($bytes) {
    if ($null -eq $bytes) { return 'unknown' }
    if ($bytes -lt 10240) { return [string]::Format($invariant, '{0} bytes', $bytes) }
    if ($bytes -lt 10MB) { return [string]::Format($invariant, '{0:N1} KiB', $bytes / 1KB) }
    [string]::Format($invariant, '{0:N1} MiB', $bytes / 1MB)
}
function FormatTime([TimeSpan] $time) { [string]::Format($invariant, '{0:N1} s', $time.TotalSeconds) }
function FormatRun($point) { "Read $(FormatSize $point.ReadBytes), stored $(FormatSize $point.StoredBytes), in $(FormatTime $point.Duration)." }
# Tables go to Out-Host one by one: in one stream, everything behind the first table would be shown as lists.
function Heading([string] $text) { ''; $text; '-' * $text.Length }

# Reads a disk once: its SHA-256, and a copy that leaves out what is zero, where one is wanted.
function ReadDisk([string] $path, [string] $copyTo) {
    $whole = [Security.Cryptography.SHA256]::Create(); $piece = [Security.Cryptography.SHA256]::Create()
    $buffer = [byte[]]::new($MB); $zero = [BitConverter]::ToString($piece.ComputeHash($buffer)); $copy = $null
    $source = [IO.File]::OpenRead($path)
    try {
        if ($copyTo) { $copy = [IO.File]::Create($copyTo); $copy.SetLength($source.Length) }
        while (($count = $source.Read($buffer, 0, $buffer.Length)) -gt 0) {
            $null = $whole.TransformBlock($buffer, 0, $count, $null, 0)
            if ($copy -and ($count -lt $buffer.Length -or [BitConverter]::ToString($piece.ComputeHash($buffer)) -ne $zero)) {
                $copy.Position = $source.Position - $count
                $copy.Write($buffer, 0, $count)
            }
        }
        $null = $whole.TransformFinalBlock($buffer, 0, 0)
        [BitConverter]::ToString($whole.Hash).Replace('-', '').ToLowerInvariant()
    }
    finally { $source.Dispose(); if ($copy) { $copy.Dispose() }; $whole.Dispose(); $piece.Dispose() }
}

# A disk of a young appliance: an eighth call records, a little that does not compress, the rest never written.
function NewDisk([string] $path, [long] $size) {
    $random = [Random]::new(20300101); $records = [Text.StringBuilder]::new(); $trunks = 'paris-1', 'paris-2', 'lyon-1', 'berlin-1'
    for ($call = 0; $records.Length -lt $MB; $call++) {
        $null = $records.AppendFormat($invariant, "{0:D9};{1};+331{2:D8};+49{3:D9};2030-01-{4:D2}T{5:D2}:{6:D2}:{7:D2}Z;{8};ANSWERED`n",
            $call, $trunks[$random.Next(4)], $random.Next(100000000), $random.Next(1000000000), $random.Next(1, 29), $random.Next(24), $random.Next(60), $random.Next(60), $random.Next(1, 900))
    }
    $text = [Text.Encoding]::ASCII.GetBytes($records.ToString()); $noise = [byte[]]::new([int] ($MB / 4))
    $disk = [IO.File]::Create($path)
    try {
        $disk.SetLength($size)
        for ($at = $MB; $at -lt $size - 2 * $MB; $at += 8 * $MB) {
            $disk.Position = $at
            # Begins elsewhere each time, so that no two blocks are the same.
            $start = $random.Next($text.Length)
            $disk.Write($text, $start, $text.Length - $start); $disk.Write($text, 0, $start)
            $random.NextBytes($noise); $disk.Write($noise, 0, $noise.Length)
        }
    }
    finally { $disk.Dispose() }
}

# What a database does in six hours: single pages here and there, and one stretch of new records. Returns what was written, as offset and length.
function ChangeDisk([string] $path) {
    $random = [Random]::new(20300102); $page = [byte[]]::new(8192); $disk = [IO.File]::Open($path, 'Open', 'ReadWrite')
    try {
        $pages = [long] [Math]::Floor($disk.Length / $page.Length)
        if ($pages -eq 0) { if ($disk.Length -gt 0) { $disk.WriteByte(0x4E); '[0,1]' }; return }
        $stretch = [long] [Math]::Min(256, $pages)
        $first = [long] ($random.NextDouble() * ($pages - $stretch))
        for ($n = 0; $n -lt 200 + $stretch; $n++) {
            $number = if ($n -lt 200) { [long] [Math]::Floor($random.NextDouble() * $pages) } else { $first + $n - 200 }
            $random.NextBytes($page); [Array]::Clear($page, 4096, 4096)
            $disk.Position = $number * $page.Length
            $disk.Write($page, 0, $page.Length)
            '[' + ($number * $page.Length) + ',' + $page.Length + ']'
        }
    }
    finally { $disk.Dispose() }
}

# What an export program writes beside an image when it knows what changed; docs/hypervisor-folder.md has the details.
function TellChanges([string] $path, [string] $state, [string] $changes) {
    $file = [IO.FileInfo]::new($path)
    [IO.File]::WriteAllText("$path.changes.json", '{ "token": "' + $state + '", "imageLength": ' + $file.Length +
        ', "imageModifiedUtc": "' + $file.LastWriteTimeUtc.ToString('o', $invariant) + '", "changes": [ ' + $changes + ' ] }')
}

$label = 'quickstart-' + [guid]::NewGuid().ToString('n').Substring(0, 8)
if (-not $WorkFolder) { $WorkFolder = [IO.Path]::Combine([IO.Path]::GetTempPath(), "natalia-$label") }
$WorkFolder = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($WorkFolder)
if ([IO.Directory]::Exists($WorkFolder) -or [IO.File]::Exists($WorkFolder)) { throw "'$WorkFolder' is there already; name a folder that is not." }
$hypervisor = $null; $repository = $null
try {
    Heading '1. A VM and its disk'
    $vm = [IO.Path]::Combine($WorkFolder, 'vms', 'natalia-demo')
    $null = [IO.Directory]::CreateDirectory($vm)
    $disk = [IO.Path]::Combine($vm, 'data.raw')
    if ($Image) {
        $Image = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Image)
        $firstState = ReadDisk $Image $disk
        "The data disk is a copy of $Image."
    }
    else {
        NewDisk $disk ($SizeMB * [long] $MB)
        $firstState = ReadDisk $disk
        'The data disk was made: call records, a little that does not compress, and much that was never written.'
    }
    [IO.File]::WriteAllText([IO.Path]::Combine($vm, 'vm.json'), '{
  "id": "9d1b6f0e-5c1c-4b6e-8a55-0d6f7a3c2e10", "name": "natalia-demo", "processorCount": 4, "memoryBytes": 8589934592,
  "networks": [ { "name": "voice", "vlan": 110 } ],
  "disks": [ { "id": "scsi1", "path": "data.raw", "role": "Data", "changes": "data.raw.changes.json" } ]
}')
    TellChanges $disk 'morning'
    $hypervisor = Connect-NataliaHypervisor -Folder ([IO.Path]::Combine($WorkFolder, 'vms')) -Name $label
    $appliance = Get-NataliaAppliance -Name natalia-demo -Hypervisor $hypervisor
    $appliance | Out-Host

    Heading '2. A repository, sealed with a password'
    $secret = [guid]::NewGuid().ToString()
    $repository = New-NataliaRepository -Name $label -Path ([IO.Path]::Combine($WorkFolder, 'repository')) -Password ([Net.NetworkCredential]::new('', $secret).SecurePassword)
    $repository | Out-Host

    Heading '3. The first backup reads everything'
    $full = $appliance | Invoke-NataliaBackup -Repository $repository -Type Full
    FormatRun $full

    Heading '4. Six hours later: some pages of the disk have changed'
    $written = ChangeDisk $disk
    TellChanges $disk 'noon' ('{ "since": "morning", "extents": [' + ($written -join ',') + '] }')
    $secondState = ReadDisk $disk
    $next = $appliance | Invoke-NataliaBackup -Repository $repository -Type Incremental
    FormatRun $next
    'Only what changed was read and stored. Where nobody can say what changed, the disk is read again, and still only what differs is stored.'

    Heading '5. The restore points, each complete in itself'
    $points = @(Get-NataliaRestorePoint -Repository $repository)
    $points | Out-Host

    Heading '6. Every point, and every object of the repository, is checked'
    $checks = @($points | Test-NataliaRestorePoint) + @(Test-NataliaRepository -Repository $repository -Full)
    $checks | Out-Host
    if ($checks | Where-Object { $_.Result -eq 'Failed' }) { throw 'A check has failed.' }

    Heading '7. Both points are exported and compared with the disk as it was'
    foreach ($state in @{ Point = $full; Hash = $firstState }, @{ Point = $next; Hash = $secondState }) {
        $export = [IO.Path]::Combine($WorkFolder, "restored-$($state.Point.RestorePointId).raw")
        $watch = [Diagnostics.Stopwatch]::StartNew()
        $null = $state.Point | Export-NataliaDisk -Destination $export
        $watch.Stop()
        $size = [IO.FileInfo]::new($export).Length
        if ((ReadDisk $export) -ne $state.Hash) { throw "The disk exported from $($state.Point) is not the disk that was backed up." }
        "$($state.Point): $(FormatSize $size) exported in $(FormatTime $watch.Elapsed), the same byte for byte."
        [IO.File]::Delete($export)
    }

    ''
    if ($Keep) {
        "Everything is in $WorkFolder; the repository's password is $secret"
    }
    else {
        'Done. Next: Connect-NataliaHypervisor to your own VMs, and New-NataliaRepository on your own storage.'
    }
}
finally {
    if ($repository) { Disconnect-NataliaRepository -Repository $label }
    if ($hypervisor) { Disconnect-NataliaHypervisor -Hypervisor $label }
    if (-not $Keep -and [IO.Directory]::Exists($WorkFolder)) { [IO.Directory]::Delete($WorkFolder, $true) }
}
