<#
.SYNOPSIS
Settles on a real Hyper-V host what docs/hyperv.md takes for granted, and writes a result file to send back.
.DESCRIPTION
Run it elevated on the host, in Windows PowerShell 5.1 or PowerShell 7. Without -Change it only reads: nothing on the host is made or changed.
With -Change and the name of a VM that may be used for it (not a production VM), it makes one recovery checkpoint, turns it into a reference point, asks change tracking, and removes both again; and it makes an empty VM without a disk, which is never started, gives it an adapter on no network with a VLAN, exports it into a temporary folder, switches its merging on again, and destroys it.
Whether reference points outlive a migration (7) takes two runs: run it, move the VM to another host or its disks to another volume, and run it on the VM's host again with -CompareWith and the first result.
The result is a JSON file. It holds class names, ids, versions, sizes and error texts, and no content of any disk. Look at it before you send it.
.EXAMPLE
.\hyperv-checklist.ps1 -VMName natalia-test
.EXAMPLE
.\hyperv-checklist.ps1 -VMName natalia-test -Change
.EXAMPLE
.\hyperv-checklist.ps1 -VMName natalia-01 -CompareWith .\hyperv-checklist-20261129-101500.json
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $VMName,
    [switch] $Change,
    [string] $CompareWith,
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
function Get-PathText($Instance) {
    "\\$env:COMPUTERNAME\root\virtualization\v2:$($Instance.CimSystemProperties.ClassName).InstanceID=`"$($Instance.InstanceID.Replace('\', '\\'))`""
}
# Asks what changed of a disk since a state that a reference point keeps. It only reads.
function Get-Changes([string] $Path, [string] $LimitId, [uint64] $Window) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $a = Invoke-CimMethod -InputObject $images -MethodName GetVirtualDiskChanges -Arguments @{ Path = $Path; LimitId = $LimitId; ByteOffset = [uint64] 0; ByteLength = $Window }
    [pscustomobject]@{ Window = $Window; ReturnValue = $a.ReturnValue; Processed = $a.ProcessedByteLength; OffsetsAreNull = $null -eq $a.ChangedByteOffsets; Count = @($a.ChangedByteOffsets | Where-Object { $null -ne $_ }).Count; Milliseconds = $watch.ElapsedMilliseconds }
}
function Get-Checkpoints {
    Get-CimAssociatedInstance -InputObject $system -Association Msvm_SnapshotOfVirtualSystem -ResultClassName Msvm_VirtualSystemSettingData
}
# What came since $before was noted; a checkpoint that a person makes is none of ours.
function Get-NewCheckpoints { Get-Checkpoints | Where-Object { $_.InstanceID -notin $before -and $_.VirtualSystemType -notlike '*:Realized' } }
function Get-Points {
    Get-CimAssociatedInstance -InputObject $system -Association Msvm_ReferencePointOfVirtualSystem -ResultClassName Msvm_VirtualSystemReferencePoint
}

try {
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
        Step "1s $($disk.InstanceID)" 'The same by the administrative share' {
            $share = "\\$env:COMPUTERNAME\" + $disk.HostResource[0].Remove(1, 1).Insert(1, '$')
            $f = [IO.File]::Open($share, 'Open', 'Read', 'ReadWrite, Delete'); try { "opened, $($f.Length) bytes" } finally { $f.Dispose() }
        } | Out-Null
    }
    Step '2' 'How do the ids of Msvm_DiskMergeSettingData look?' { Get-CimInstance -Namespace $ns -ClassName Msvm_DiskMergeSettingData | Select-Object InstanceID, EnabledState } | Out-Null
    Step '2 merges' 'Which merges ended (19080) and failed (19100) lately?' {
        Get-WinEvent -FilterHashtable @{ LogName = 'Microsoft-Windows-Hyper-V-VMMS-Admin'; Id = 19080, 19100 } -MaxEvents 10 | Select-Object TimeCreated, Id
    } | Out-Null
    Step '4 envelope' 'How much does an answer of WS-Man hold? (only read where WinRM runs)' {
        if ((Get-Service WinRM).Status -eq 'Running') { (Get-Item WSMan:\localhost\MaxEnvelopeSizekb).Value } else { 'WinRM does not run' }
    } | Out-Null
    $points = @(Step '7' 'Which reference points has the VM, which host owns it, and where do its disks lie?' {
        foreach ($point in Get-Points) { [pscustomobject]@{ Kind = 'reference point'; InstanceID = $point.InstanceID; Disks = $point.VirtualDiskIdentifiers; States = $point.ResilientChangeTrackingIdentifiers } }
        [pscustomobject]@{ Kind = 'place'; InstanceID = $system.Name; Disks = @($disks | ForEach-Object { $_.HostResource[0] }); States = @($env:COMPUTERNAME) }
    })
    foreach ($point in $points | Where-Object Kind -eq 'reference point') {
        for ($i = 0; $i -lt @($point.States).Count -and $i -lt $disks.Count; $i++) {
            # Which disk an identifier means is told by what stands behind the id of the VM or of the checkpoint.
            $key = "$(@($point.Disks)[$i])".Split('\', 2)[-1]
            $disk = $disks | Where-Object { $_.InstanceID.Split('\', 2)[-1] -eq $key } | Select-Object -First 1
            if (-not $disk) { $disk = $disks[$i] }
            Step "4r $($point.InstanceID) $i" 'How does GetVirtualDiskChanges answer at growing windows: at once or by a job, with null or empty lists, how far?' {
                $size = [uint64] (Get-VHD $disk.HostResource[0]).Size
                foreach ($window in 64MB, 1GB, 16GB, $size | Where-Object { $_ -le $size } | Select-Object -Unique) { Get-Changes $disk.HostResource[0] @($point.States)[$i] $window }
            } | Out-Null
        }
    }
    if ($CompareWith) {
        Step '7 moved' 'What of the earlier result is still there, and does change tracking still count from it?' {
            $before = @((Get-Content -Raw -Path $CompareWith | ConvertFrom-Json).Steps | Where-Object Id -eq '7').Answer
            $place = @($before | Where-Object Kind -eq 'place')[0]
            [pscustomobject]@{ WasOn = $place.States; IsOn = $env:COMPUTERNAME; DisksWere = $place.Disks; DisksAre = @($disks | ForEach-Object { $_.HostResource[0] }) }
            foreach ($old in $before | Where-Object Kind -eq 'reference point') {
                $now = $points | Where-Object InstanceID -eq $old.InstanceID
                [pscustomobject]@{ InstanceID = $old.InstanceID; IsThere = [bool] $now; HasSameStates = $now -and "$($now.States)" -eq "$($old.States)"; Answer = try { Get-Changes $disks[0].HostResource[0] @($old.States)[0] 64MB } catch { $_.Exception.Message } }
            }
        } | Out-Null
    }
    Step '7 cluster' 'Which node owns the VM, and how are the volumes of the cluster told?' {
        Get-CimInstance -Namespace root\MSCluster -ClassName MSCluster_ResourceGroup | Where-Object GroupType -eq 111 | Select-Object Name, OwnerNode, State
    } | Out-Null
    Step 'volumes' 'How are drives, mounted folders and volumes of a cluster told?' { Get-CimInstance Win32_Volume | Select-Object Name, FileSystem, FreeSpace } | Out-Null
    Step '8 text' 'Does Windows write the same CIM-XML as this product?' {
        $one = New-CimInstance -ClientOnly -Namespace $ns -ClassName Msvm_VirtualSystemSnapshotSettingData -Property @{ ElementName = 'a & b'; ConsistencyLevel = [byte] 1; IgnoreNonSnapshottableDisks = $false }
        $serializer = [Microsoft.Management.Infrastructure.Serialization.CimSerializer]::Create()
        [pscustomobject]@{
            Windows = [Text.Encoding]::Unicode.GetString($serializer.Serialize($one, [Microsoft.Management.Infrastructure.Serialization.InstanceSerializationOptions]::None))
            Ours = Get-Embedded 'Msvm_VirtualSystemSnapshotSettingData' @{ ElementName = 'string', 'a & b'; ConsistencyLevel = 'uint8', '1'; IgnoreNonSnapshottableDisks = 'boolean', 'FALSE' }
        }
    } | Out-Null
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
    Step 'cards' 'Which cards are bound to a switch, and does a port of a switch name each of them?' {
        Get-CimInstance -Namespace $ns -ClassName Msvm_ExternalEthernetPort | Select-Object ElementName, DeviceID, IsBound
    } | Out-Null
    Step 'types' 'What does Hyper-V itself say of the switches?' { Get-VMSwitch | Select-Object Name, Id, SwitchType } | Out-Null
    Step 'nat' 'Does the host translate addresses, or is it a router for a switch?' {
        Get-CimInstance -Namespace root\StandardCimv2 -ClassName MSFT_NetNat | Select-Object Name, InternalIPInterfaceAddressPrefix
        Get-CimInstance -Namespace root\StandardCimv2 -ClassName MSFT_NetIPInterface | Where-Object InterfaceAlias -like 'vEthernet*' | Select-Object InterfaceAlias, AddressFamily, Forwarding
    } | Out-Null
    Step 'boot' 'Since when is the host up, and how is it told that it went down uncleanly?' {
        Get-CimInstance Win32_OperatingSystem | Select-Object CSName, LastBootUpTime
        foreach ($code in '41', '6005', '6013') { Get-CimInstance Win32_NTLogEvent -Filter "Logfile = 'System' AND EventCode = '$code'" | Select-Object -First 5 TimeGenerated, SourceName, EventCode }
    } | Out-Null
    Step 'heartbeat' 'What does the heartbeat say?' {
        Get-CimAssociatedInstance -InputObject $system -Association Msvm_SystemDevice -ResultClassName Msvm_HeartbeatComponent | Select-Object OperationalStatus, StatusDescriptions
    } | Out-Null
    Step 'vlan' 'How do the features of an adapter look, and which default is there for a VLAN?' {
        $parts | Where-Object Type -eq 33 | ForEach-Object { Get-CimInstance -Namespace $ns -ClassName Msvm_EthernetPortAllocationSettingData -Filter "InstanceID = '$($_.InstanceID.Replace('\', '\\'))'" } |
            ForEach-Object { Get-CimAssociatedInstance -InputObject $_ -Association Msvm_EthernetPortSettingDataComponent } | Select-Object InstanceID, OperationMode, AccessVlanId
        Get-CimInstance -Namespace $ns -ClassName Msvm_EthernetSwitchPortVlanSettingData | Where-Object InstanceID -like '*\Default' | Select-Object InstanceID
    } | Out-Null
    Step 'security' 'Is a virtual TPM among the components?' { Get-CimAssociatedInstance -InputObject $settings -ResultClassName Msvm_SecuritySettingData | Select-Object InstanceID, TpmEnabled } | Out-Null
    Step 'files' 'Where are the files of the configuration, and may they be read while the VM runs?' {
        $settings | Select-Object ConfigurationDataRoot, ConfigurationFile, GuestStateDataRoot, GuestStateFile
        foreach ($file in $settings.ConfigurationFile, $settings.GuestStateFile | Where-Object { $_ }) {
            $f = [IO.File]::Open((Join-Path $settings.ConfigurationDataRoot $file), 'Open', 'Read', 'ReadWrite, Delete'); try { "$file opened, $($f.Length) bytes" } finally { $f.Dispose() }
        }
    } | Out-Null
    Step 'boot order' 'How is the order of starting told?' {
        $settings | Select-Object BootOrder, BootSourceOrder
        Get-CimInstance -Namespace $ns -ClassName Msvm_BootSourceSettingData | Where-Object InstanceID -match $system.Name | Select-Object InstanceID, BootSourceType
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
        # What stood before is never touched. Where that cannot be told, nothing is changed.
        $before = @(@(Get-Checkpoints) + @(Get-Points) | Where-Object { $_ } | ForEach-Object InstanceID)
        $name = 'Natalia.Backup ' + [guid]::NewGuid().ToString('N')
        try {
            Step '8' 'Is our CIM-XML accepted, and does the checkpoint bear the name that it was given?' {
                $text = Get-Embedded 'Msvm_VirtualSystemSnapshotSettingData' @{ ElementName = 'string', $name; ConsistencyLevel = 'uint8', '1'; GuestBackupType = 'uint8', '2'; IgnoreNonSnapshottableDisks = 'boolean', 'FALSE' }
                $done = Wait-WmiJob (Invoke-CimMethod -InputObject $snapshots -MethodName CreateSnapshot -Arguments @{ AffectedSystem = [ref] $system; SnapshotSettings = $text; SnapshotType = [uint16] 32768 })
                if ($done.Job) { Get-CimAssociatedInstance -InputObject $done.Job -Association Msvm_AffectedJobElement -ResultClassName Msvm_VirtualSystemSettingData | Select-Object InstanceID, ElementName, VirtualSystemType, CreationTime }
            } | Out-Null
            $frozen = @(Step '3' 'How do the disks of the checkpoint look?' {
                $script:snapshot = Get-NewCheckpoints | Select-Object -First 1
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
            } | Out-Null
            Step 'frozen files' 'Has the checkpoint files of its configuration?' {
                $snapshot | Select-Object ConfigurationDataRoot, ConfigurationFile, GuestStateDataRoot, GuestStateFile
                Get-Item -ErrorAction SilentlyContinue -Path ([IO.Path]::ChangeExtension((Join-Path $snapshot.ConfigurationDataRoot $snapshot.ConfigurationFile), '.*')) | Select-Object Name, Length
            } | Out-Null
            Step '4' 'How does GetVirtualDiskChanges answer: at once or by a job, with null or empty lists?' {
                $row = Get-Points | Where-Object InstanceID -notin $before | Select-Object -First 1
                for ($i = 0; $i -lt $row.ResilientChangeTrackingIdentifiers.Count -and $i -lt $disks.Count; $i++) {
                    $size = [uint64] (Get-VHD $disks[$i].HostResource[0]).Size
                    Get-Changes $disks[$i].HostResource[0] $row.ResilientChangeTrackingIdentifiers[$i] $size
                }
            } | Out-Null
            Step 'merge' 'How long are the disks merged, and what tells it?' {
                $watch = [Diagnostics.Stopwatch]::StartNew()
                do { $now = Get-CimInstance -CimInstance $system; Start-Sleep 1 } while (32772 -in $now.OperationalStatus -and $watch.Elapsed.TotalMinutes -lt 10)
                [pscustomobject]@{ Seconds = [int] $watch.Elapsed.TotalSeconds; Status = $now.OperationalStatus }
            } | Out-Null
        }
        finally {
            # All that is new since this began, by its id: whether names are kept is a question of this list.
            Step 'undo checkpoint' 'Remove the checkpoint' {
                foreach ($s in Get-NewCheckpoints) {
                    Wait-WmiJob (Invoke-CimMethod -InputObject $snapshots -MethodName DestroySnapshot -Arguments @{ AffectedSnapshot = [ref] $s }) | Select-Object ReturnValue, State
                }
            } | Out-Null
            Step 'undo reference point' 'Remove the reference point' {
                foreach ($r in Get-Points | Where-Object InstanceID -notin $before) {
                    Wait-WmiJob (Invoke-CimMethod -InputObject $references -MethodName DestroyReferencePoint -Arguments @{ AffectedReferencePoint = [ref] $r }) | Select-Object ReturnValue, State
                }
            } | Out-Null
            Step 'undone' 'Is nothing left of it?' {
                $left = @(@(Get-NewCheckpoints) + @(Get-Points | Where-Object InstanceID -notin $before) | Where-Object { $_ } | ForEach-Object InstanceID)
                if ($left) { throw "Left, to be removed by hand (Remove-VMSnapshot): $($left -join ', ')" }
                'nothing is left'
            } | Out-Null
        }
    }
    if ($Change) {
        $name = 'natalia-checklist-' + [guid]::NewGuid().ToString('N').Substring(0, 8)
        # A folder of this run's own, under a name that nobody else has.
        $folder = Join-Path ([IO.Path]::GetTempPath()) $name
        try {
            Step 'define' 'Is our CIM-XML accepted for a new VM, and are its notes there from the first moment?' {
                $text = Get-Embedded 'Msvm_VirtualSystemSettingData' @{ ElementName = 'string', $name; VirtualSystemSubType = 'string', 'Microsoft:Hyper-V:SubType:2'; AutomaticStartupAction = 'uint16', '2' }
                $text = $text.Replace('</INSTANCE>', '<PROPERTY.ARRAY NAME="Notes" TYPE="string"><VALUE.ARRAY><VALUE>natalia-checklist</VALUE></VALUE.ARRAY></PROPERTY.ARRAY></INSTANCE>')
                Wait-WmiJob (Invoke-CimMethod -InputObject $management -MethodName DefineSystem -Arguments @{ SystemSettings = $text; ResourceSettings = [string[]] @() }) | Select-Object ReturnValue, State
            } | Out-Null
            Step 'defined' 'How does the new VM look?' {
                $script:vm = Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem -Filter "ElementName='$name'"
                $script:own = Get-CimAssociatedInstance -InputObject $vm -Association Msvm_SettingsDefineState -ResultClassName Msvm_VirtualSystemSettingData
                $own | Select-Object InstanceID, Notes, BIOSGUID, ConfigurationFile, GuestStateFile, BootSourceOrder
                Get-CimAssociatedInstance -InputObject $own -Association Msvm_VirtualSystemSettingDataComponent | ForEach-Object { [pscustomobject]@{ Class = $_.CimSystemProperties.ClassName; InstanceID = $_.InstanceID; Type = $_.ResourceType; Connection = $_.Connection } }
            } | Out-Null
            Step 'adapter' 'Is an adapter added, and which address has it before the first start?' {
                $text = Get-Embedded 'Msvm_SyntheticEthernetPortSettingData' @{ ResourceType = 'uint16', '10'; ResourceSubType = 'string', 'Microsoft:Hyper-V:Synthetic Ethernet Port'; ElementName = 'string', 'Network Adapter'; StaticMacAddress = 'boolean', 'FALSE' }
                Wait-WmiJob (Invoke-CimMethod -InputObject $management -MethodName AddResourceSettings -Arguments @{ AffectedConfiguration = [ref] $own; ResourceSettings = [string[]] @($text) }) | Select-Object ReturnValue, State
                Get-CimAssociatedInstance -InputObject $own -Association Msvm_VirtualSystemSettingDataComponent -ResultClassName Msvm_SyntheticEthernetPortSettingData | Select-Object InstanceID, Address, StaticMacAddress
            } | Out-Null
            Step '8 vlan' 'Is our CIM-XML accepted for the connection of an adapter, and for its VLAN?' {
                $port = Get-CimAssociatedInstance -InputObject $own -Association Msvm_VirtualSystemSettingDataComponent -ResultClassName Msvm_SyntheticEthernetPortSettingData
                $text = Get-Embedded 'Msvm_EthernetPortAllocationSettingData' @{ ResourceType = 'uint16', '33'; ResourceSubType = 'string', 'Microsoft:Hyper-V:Ethernet Connection'; Parent = 'string', (Get-PathText $port); EnabledState = 'uint16', '3' }
                Wait-WmiJob (Invoke-CimMethod -InputObject $management -MethodName AddResourceSettings -Arguments @{ AffectedConfiguration = [ref] $own; ResourceSettings = [string[]] @($text) }) | Select-Object ReturnValue, State
                $connection = Get-CimAssociatedInstance -InputObject $own -Association Msvm_VirtualSystemSettingDataComponent -ResultClassName Msvm_EthernetPortAllocationSettingData
                $text = Get-Embedded 'Msvm_EthernetSwitchPortVlanSettingData' @{ OperationMode = 'uint32', '1'; AccessVlanId = 'uint16', '42' }
                Wait-WmiJob (Invoke-CimMethod -InputObject $management -MethodName AddFeatureSettings -Arguments @{ AffectedConfiguration = [ref] $connection; FeatureSettings = [string[]] @($text) }) | Select-Object ReturnValue, State
                Get-CimAssociatedInstance -InputObject $connection -Association Msvm_EthernetPortSettingDataComponent | Select-Object InstanceID, OperationMode, AccessVlanId
            } | Out-Null
            Step '8 export' 'Is our CIM-XML accepted for an export, and does one without disks switch merging off?' {
                $null = New-Item -ItemType Directory -Path $folder
                $text = Get-Embedded 'Msvm_VirtualSystemExportSettingData' @{ CopySnapshotConfiguration = 'uint8', '1'; CopyVmRuntimeInformation = 'boolean', 'FALSE'; CopyVmStorage = 'boolean', 'FALSE'; CreateVmExportSubdirectory = 'boolean', 'FALSE' }
                Wait-WmiJob (Invoke-CimMethod -InputObject $management -MethodName ExportSystemDefinition -Arguments @{ ComputerSystem = [ref] $vm; ExportDirectory = $folder; ExportSettingData = $text }) | Select-Object ReturnValue, State
                Get-CimInstance -Namespace $ns -ClassName Msvm_DiskMergeSettingData | Where-Object InstanceID -match $vm.Name | Select-Object InstanceID, EnabledState
            } | Out-Null
            Step '2b' 'Does ModifyDiskMergeSettings switch merging on again?' {
                $merging = Get-CimInstance -Namespace $ns -ClassName Msvm_DiskMergeSettingData | Where-Object InstanceID -match $vm.Name
                $text = Get-Embedded 'Msvm_DiskMergeSettingData' @{ InstanceID = 'string', $merging.InstanceID; EnabledState = 'uint32', '1' }
                Wait-WmiJob (Invoke-CimMethod -InputObject $management -MethodName ModifyDiskMergeSettings -Arguments @{ SettingData = $text }) | Select-Object ReturnValue, State
                Get-CimInstance -Namespace $ns -ClassName Msvm_DiskMergeSettingData | Where-Object InstanceID -match $vm.Name | Select-Object InstanceID, EnabledState
            } | Out-Null
            Step 'kvp before start' 'Does a VM that is off take key-value items?' {
                $text = Get-Embedded 'Msvm_KvpExchangeDataItem' @{ Name = 'string', 'natalia-restore-test'; Data = 'string', 'checklist'; Source = 'uint16', '0' }
                Wait-WmiJob (Invoke-CimMethod -InputObject $management -MethodName AddKvpItems -Arguments @{ TargetSystem = [ref] $vm; DataItems = [string[]] @($text) }) | Select-Object ReturnValue, State
            } | Out-Null
            Step '6b' 'Which call takes the setting of the VSS service?' {
                $vss = Get-CimAssociatedInstance -InputObject $own -ResultClassName Msvm_VssComponentSettingData
                $text = Get-Embedded 'Msvm_VssComponentSettingData' @{ InstanceID = 'string', $vss.InstanceID; EnabledState = 'uint16', '2' }
                (Invoke-CimMethod -InputObject $management -MethodName ModifyGuestServiceSettings -Arguments @{ GuestServiceSettings = [string[]] @($text) }).ReturnValue
                (Invoke-CimMethod -InputObject $management -MethodName ModifyResourceSettings -Arguments @{ ResourceSettings = [string[]] @($text) }).ReturnValue
            } | Out-Null
        }
        finally {
            if (Test-Path $folder) { Step 'undo export' 'Remove the export' { Remove-Item -Recurse -Path $folder } | Out-Null }
            # The name is this run's own, and nobody else's.
            Step 'undo VM' 'Destroy the VM' {
                foreach ($made in Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem -Filter "ElementName='$name'") {
                    Wait-WmiJob (Invoke-CimMethod -InputObject $management -MethodName DestroySystem -Arguments @{ AffectedSystem = [ref] $made }) | Select-Object ReturnValue, State
                }
            } | Out-Null
            Step 'undone VM' 'Is nothing left of it?' {
                $left = @(Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem -Filter "ElementName='$name'" | Where-Object { $_ })
                if ($left) { throw "The VM '$name' is left, to be removed by hand (Remove-VM)." }
                if (Test-Path $folder) { throw "The folder '$folder' is left, to be removed by hand." }
                'nothing is left'
            } | Out-Null
        }
    }
}
catch {
    # The answers up to here are what this was run for.
    $results.Add([pscustomobject]@{ Id = 'broken off'; Question = 'Where and why did this end?'; Answer = "line $($_.InvocationInfo.ScriptLineNumber)"; Error = "$($_.Exception.GetType().Name): $($_.Exception.Message)"; Milliseconds = 0 })
    throw
}
finally {
    ConvertTo-Json -InputObject ([pscustomobject]@{ Made = (Get-Date).ToUniversalTime().ToString('o'); Change = [bool] $Change; Steps = $results }) -Depth 6 | Set-Content -Path $ResultPath -Encoding UTF8
    Write-Host "`nThe result is in $ResultPath. Look at it, and send it back."
}
