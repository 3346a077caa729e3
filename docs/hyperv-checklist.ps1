<#
.SYNOPSIS
Settles on a real Hyper-V host what docs/hyperv.md takes for granted, and writes a result file to send back.
.DESCRIPTION
Run it elevated on the host, in Windows PowerShell 5.1 or PowerShell 7. Without -Change it only reads: nothing on the host is made or changed.
With -Change and the name of a VM that may be used for it (not a production VM), it makes one recovery checkpoint, turns it into a reference point, asks change tracking, and removes both again.
The result is a JSON file. It holds class names, ids, versions, sizes and error texts, and no content of any disk. Look at it before you send it.
.EXAMPLE
.\hyperv-checklist.ps1 -VMName natalia-test
.EXAMPLE
.\hyperv-checklist.ps1 -VMName natalia-test -Change
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $VMName,
    [switch] $Change,
    [string] $ResultPath = (Join-Path (Get-Location) "hyperv-checklist-$(Get-Date -Format yyyyMMdd-HHmmss).json")
)
$ErrorActionPreference = 'Stop'
$ns = 'root\virtualization\v2'
$results = [Collections.Generic.List[object]]::new()

function Step([string] $Id, [string] $Question, [scriptblock] $Look) {
    Write-Host "$Id  $Question"
    $watch = [Diagnostics.Stopwatch]::StartNew()
    try { $answer = & $Look; $trouble = $null }
    catch { $answer = $null; $trouble = "$($_.Exception.GetType().Name): $($_.Exception.Message)" }
    $results.Add([pscustomobject]@{ Id = $Id; Question = $Question; Answer = $answer; Error = $trouble; Milliseconds = $watch.ElapsedMilliseconds })
    if ($trouble) { Write-Warning "$Id  $trouble" }
    $answer
}
function Wait-WmiJob($Answer) {
    if ($Answer.ReturnValue -eq 0) { return [pscustomobject]@{ ReturnValue = 0; State = $null; Text = $null; Job = $null } }
    if ($Answer.ReturnValue -ne 4096) { throw "ReturnValue $($Answer.ReturnValue)" }
    do { Start-Sleep -Milliseconds 500; $job = Get-CimInstance -CimInstance $Answer.Job } while ($job.JobState -lt 7)
    if ($job.JobState -notin 7, 32768) { throw "JobState $($job.JobState), ErrorCode $($job.ErrorCode): $($job.ErrorDescription)" }
    [pscustomobject]@{ ReturnValue = 4096; State = $job.JobState; Text = $job.Caption; Job = $job }
}
function Get-Embedded([string] $ClassName, [hashtable] $Values) {
    $xml = "<INSTANCE CLASSNAME=`"$ClassName`">"
    foreach ($name in $Values.Keys) {
        $type, $value = $Values[$name]
        $xml += "<PROPERTY NAME=`"$name`" TYPE=`"$type`"><VALUE>$([Security.SecurityElement]::Escape($value))</VALUE></PROPERTY>"
    }
    "$xml</INSTANCE>"
}

$system = Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem -Filter "ElementName='$($VMName.Replace("'", "\'"))'" | Where-Object Name -match '^[0-9A-F-]{36}$'
if (@($system).Count -ne 1) { throw "There are $(@($system).Count) VMs called '$VMName'." }
$settings = Get-CimAssociatedInstance -InputObject $system -Association Msvm_SettingsDefineState -ResultClassName Msvm_VirtualSystemSettingData
$images = Get-CimInstance -Namespace $ns -ClassName Msvm_ImageManagementService
$management = Get-CimInstance -Namespace $ns -ClassName Msvm_VirtualSystemManagementService
$snapshots = Get-CimInstance -Namespace $ns -ClassName Msvm_VirtualSystemSnapshotService
$references = Get-CimInstance -Namespace $ns -ClassName Msvm_VirtualSystemReferencePointService

Step 'host' 'Which system is this?' {
    $os = Get-CimInstance Win32_OperatingSystem
    [pscustomobject]@{ Caption = $os.Caption; Version = $os.Version; PowerShell = "$($PSVersionTable.PSVersion)"; VMVersion = $settings.Version; SubType = $settings.VirtualSystemSubType; Status = $system.OperationalStatus }
} | Out-Null
Step 'paths' 'Which keys have the paths of these objects?' {
    foreach ($o in $system, $settings, $management) { "$($o.CimSystemProperties.ClassName): " + (($o.CimInstanceProperties | Where-Object { $_.Flags -band [Microsoft.Management.Infrastructure.CimFlags]::Key }).Name -join ',') }
} | Out-Null
$parts = Step 'components' 'Which components has the VM, and how do their ids look? (disks in 3)' {
    Get-CimAssociatedInstance -InputObject $settings -Association Msvm_VirtualSystemSettingDataComponent |
        ForEach-Object { [pscustomobject]@{ Class = $_.CimSystemProperties.ClassName; InstanceID = $_.InstanceID; Type = $_.ResourceType; SubType = $_.ResourceSubType; Parent = $_.Parent; Address = $_.Address; OnParent = $_.AddressOnParent; HostResource = $_.HostResource } }
}
$disks = @($parts | Where-Object { $_.Type -eq 31 -and $_.SubType -eq 'Microsoft:Hyper-V:Virtual Hard Disk' })
foreach ($disk in $disks) {
    Step "image $($disk.InstanceID)" 'What does the host say of the image, and is it CIM-XML text?' {
        (Invoke-CimMethod -InputObject $images -MethodName GetVirtualHardDiskSettingData -Arguments @{ Path = $disk.HostResource[0] }).SettingData
    } | Out-Null
    Step "1 $($disk.InstanceID)" 'May the file in use be opened for reading, sharing everything (read, write, delete)?' {
        $f = [IO.File]::Open($disk.HostResource[0], 'Open', 'Read', 'ReadWrite, Delete'); try { "opened, $($f.Length) bytes" } finally { $f.Dispose() }
    } | Out-Null
}
Step '2' 'How do the ids of Msvm_DiskMergeSettingData look?' { Get-CimInstance -Namespace $ns -ClassName Msvm_DiskMergeSettingData | Select-Object InstanceID, EnabledState } | Out-Null
Step '6' 'The VSS component and its setting' {
    Get-CimAssociatedInstance -InputObject $system -Association Msvm_SystemDevice -ResultClassName Msvm_VssComponent | Select-Object OperationalStatus, StatusDescriptions, EnabledState
    Get-CimAssociatedInstance -InputObject $settings -ResultClassName Msvm_VssComponentSettingData | Select-Object InstanceID, EnabledState
} | Out-Null
Step 'kvp' 'What does the guest tell of itself?' {
    Get-CimAssociatedInstance -InputObject $system -Association Msvm_SystemDevice -ResultClassName Msvm_KvpExchangeComponent | ForEach-Object GuestIntrinsicExchangeItems | Where-Object { $_ -match 'OSName|NetworkAddressIPv4' }
} | Out-Null
Step 'switches' 'How is an external switch told from an internal one?' {
    Get-CimInstance -Namespace $ns -ClassName Msvm_VirtualEthernetSwitch | Select-Object Name, ElementName
    Get-CimInstance -Namespace $ns -ClassName Msvm_EthernetPortAllocationSettingData | Select-Object InstanceID, HostResource
} | Out-Null
Step 'defaults' 'Do the default devices have the ids that are looked for?' {
    Get-CimInstance -Namespace $ns -ClassName Msvm_ResourceAllocationSettingData | Where-Object InstanceID -like '*\Default' | Select-Object InstanceID, ResourceType, ResourceSubType
} | Out-Null
Step 'cluster' 'Is there a cluster, and how are its nodes told?' { Get-CimInstance -Namespace root\MSCluster -ClassName MSCluster_Node | Select-Object Name, State } | Out-Null
Step 'others' 'Which checkpoints and reference points stand?' {
    Get-CimAssociatedInstance -InputObject $system -Association Msvm_SnapshotOfVirtualSystem -ResultClassName Msvm_VirtualSystemSettingData | Select-Object InstanceID, VirtualSystemType, CreationTime
    Get-CimAssociatedInstance -InputObject $system -Association Msvm_ReferencePointOfVirtualSystem -ResultClassName Msvm_VirtualSystemReferencePoint | Select-Object InstanceID, ReferencePointType, ConsistencyLevel, VirtualDiskIdentifiers, ResilientChangeTrackingIdentifiers
} | Out-Null

if ($Change) {
    $name = 'Natalia.Backup ' + [guid]::NewGuid().ToString('N')
    $made = $null; $point = $null
    try {
        $made = Step '8' 'Is our CIM-XML accepted, and does the checkpoint bear the name that it was given?' {
            $text = Get-Embedded 'Msvm_VirtualSystemSnapshotSettingData' @{ ElementName = 'string', $name; ConsistencyLevel = 'uint8', '1'; GuestBackupType = 'uint8', '2'; IgnoreNonSnapshottableDisks = 'boolean', 'FALSE' }
            $done = Wait-WmiJob (Invoke-CimMethod -InputObject $snapshots -MethodName CreateSnapshot -Arguments @{ AffectedSystem = [ref] $system; SnapshotSettings = $text; SnapshotType = [uint16] 32768 })
            if ($done.Job) { Get-CimAssociatedInstance -InputObject $done.Job -Association Msvm_AffectedJobElement -ResultClassName Msvm_VirtualSystemSettingData | Select-Object InstanceID, ElementName, VirtualSystemType, CreationTime }
        }
        $snapshot = Get-CimAssociatedInstance -InputObject $system -Association Msvm_SnapshotOfVirtualSystem -ResultClassName Msvm_VirtualSystemSettingData | Where-Object { $_.InstanceID -eq $made.InstanceID -or $_.ElementName -eq $name }
        $frozen = @(Step '3' 'How do the disks of the checkpoint look?' {
            Get-CimAssociatedInstance -InputObject $snapshot -Association Msvm_VirtualSystemSettingDataComponent | Where-Object ResourceType -eq 31 | Select-Object InstanceID, HostResource
        })
        foreach ($disk in $frozen | Where-Object HostResource) {
            Step "1b $($disk.InstanceID)" 'May the frozen file be read while the VM runs?' {
                $f = [IO.File]::Open($disk.HostResource[0], 'Open', 'Read', 'ReadWrite, Delete'); try { $b = [byte[]]::new(8); [void] $f.Read($b, 0, 8); [Text.Encoding]::ASCII.GetString($b) } finally { $f.Dispose() }
            } | Out-Null
        }
        Step '5' 'Does the conversion give the reference point, and does that keep the name?' {
            $done = Wait-WmiJob (Invoke-CimMethod -InputObject $snapshots -MethodName ConvertToReferencePoint -Arguments @{ AffectedSnapshot = [ref] $snapshot })
            if ($done.Job) { Get-CimAssociatedInstance -InputObject $done.Job -Association Msvm_AffectedJobElement | Select-Object InstanceID, ElementName, ConsistencyLevel, ReferencePointType, VirtualDiskIdentifiers, ResilientChangeTrackingIdentifiers }
        } | ForEach-Object { $point = $_ }
        $row = Get-CimAssociatedInstance -InputObject $system -Association Msvm_ReferencePointOfVirtualSystem -ResultClassName Msvm_VirtualSystemReferencePoint | Where-Object InstanceID -eq $point.InstanceID
        Step '4' 'How does GetVirtualDiskChanges answer: at once or by a job, with null or empty lists?' {
            for ($i = 0; $i -lt $row.ResilientChangeTrackingIdentifiers.Count -and $i -lt $disks.Count; $i++) {
                $size = [uint64] (Get-VHD $disks[$i].HostResource[0]).Size
                $a = Invoke-CimMethod -InputObject $images -MethodName GetVirtualDiskChanges -Arguments @{ Path = $disks[$i].HostResource[0]; LimitId = $row.ResilientChangeTrackingIdentifiers[$i]; ByteOffset = [uint64] 0; ByteLength = $size }
                [pscustomobject]@{ ReturnValue = $a.ReturnValue; Processed = $a.ProcessedByteLength; Size = $size; OffsetsAreNull = $null -eq $a.ChangedByteOffsets; Count = @($a.ChangedByteOffsets).Count }
            }
        } | Out-Null
        Step 'merge' 'How long are the disks merged, and what tells it?' {
            $watch = [Diagnostics.Stopwatch]::StartNew()
            do { $now = Get-CimInstance -CimInstance $system; Start-Sleep 1 } while (32772 -in $now.OperationalStatus -and $watch.Elapsed.TotalMinutes -lt 10)
            [pscustomobject]@{ Seconds = [int] $watch.Elapsed.TotalSeconds; Status = $now.OperationalStatus }
        } | Out-Null
    }
    finally {
        # Only what was made here, by its own name or id.
        Get-CimAssociatedInstance -InputObject $system -Association Msvm_SnapshotOfVirtualSystem -ResultClassName Msvm_VirtualSystemSettingData | Where-Object ElementName -eq $name |
            ForEach-Object { $s = $_; Step 'undo checkpoint' 'Remove the checkpoint' { Wait-WmiJob (Invoke-CimMethod -InputObject $snapshots -MethodName DestroySnapshot -Arguments @{ AffectedSnapshot = [ref] $s }) | Select-Object ReturnValue, State } | Out-Null }
        if ($point) {
            Get-CimAssociatedInstance -InputObject $system -Association Msvm_ReferencePointOfVirtualSystem -ResultClassName Msvm_VirtualSystemReferencePoint | Where-Object InstanceID -eq $point.InstanceID |
                ForEach-Object { $r = $_; Step 'undo reference point' 'Remove the reference point' { Wait-WmiJob (Invoke-CimMethod -InputObject $references -MethodName DestroyReferencePoint -Arguments @{ AffectedReferencePoint = [ref] $r }) | Select-Object ReturnValue, State } | Out-Null }
        }
    }
}
ConvertTo-Json -InputObject ([pscustomobject]@{ Made = (Get-Date).ToUniversalTime().ToString('o'); Change = [bool] $Change; Steps = $results }) -Depth 6 | Set-Content -Path $ResultPath -Encoding UTF8
Write-Host "`nThe result is in $ResultPath. Look at it, and send it back."
