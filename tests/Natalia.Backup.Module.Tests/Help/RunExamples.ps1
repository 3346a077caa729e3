<#
.SYNOPSIS
Runs the examples of help and documents, each in a session of its own on a copy of the same small site, and writes what came of each as a line of JSON.

.DESCRIPTION
The site has what the examples name: VMs, a repository on a NAS and one off-site, a profile, secrets. UNC paths are folders of a drive here, drives are folders. Nothing of an example is changed but what cannot be the same
twice: ids and dates.
#>
param(
    # The module's manifest.
    [Parameter(Mandatory)] [string] $Module,
    # A JSON file: [ { "id": "...", "code": "...", "damaged": false } ].
    [Parameter(Mandatory)] [string] $Examples,
    # An empty folder to work in.
    [Parameter(Mandatory)] [string] $Sandbox
)
$ErrorActionPreference = 'Stop'
$template = Join-Path $Sandbox 'site'
$drives = 'C', 'D', 'E', 'N', 'X'

function NewSession([string] $root) {
    $state = [initialsessionstate]::CreateDefault2()
    $session = [runspacefactory]::CreateRunspace($state)
    $session.Open()
    # What an admin has in their session: drives, a vault, and nobody to answer questions.
    Invoke-In $session {
        param($module, $root, $drives)
        Import-Module $module
        foreach ($drive in $drives) { $null = New-PSDrive -Name $drive -PSProvider FileSystem -Root "$root/$drive" -Scope Global }
        Set-Location "$root/here"
        $global:ConfirmPreference = 'None'
        function global:Get-Secret { [CmdletBinding()] param([string] $Name) $s = [securestring]::new(); 'correct horse'.ToCharArray().ForEach({ $s.AppendChar($_) }); $s }
        function global:Get-AutomationPSCredential { [CmdletBinding()] param([string] $Name) [pscredential]::new('user', (Get-Secret $Name)) }
    } $Module, $root, $drives
    $session
}

function Invoke-In($session, $script, $arguments) {
    $shell = [powershell]::Create()
    $shell.Runspace = $session
    try {
        $null = $shell.AddScript($script)
        foreach ($argument in $arguments) { $null = $shell.AddArgument($argument) }
        $shell.Invoke()
        foreach ($problem in $shell.Streams.Error) { throw $problem }
    }
    finally { $shell.Dispose() }
}

function CopyTree([string] $from, [string] $to) {
    $null = [IO.Directory]::CreateDirectory($to)
    foreach ($folder in [IO.Directory]::EnumerateDirectories($from, '*', 'AllDirectories')) { $null = [IO.Directory]::CreateDirectory($to + $folder.Substring($from.Length)) }
    foreach ($file in [IO.Directory]::EnumerateFiles($from, '*', 'AllDirectories')) { [IO.File]::Copy($file, $to + $file.Substring($from.Length)) }
}

function NewOva([string] $path, [string] $image) {
    $description = "<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1' xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' xmlns:rasd='http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData'>" +
        "<References><File ovf:href='system.img' ovf:id='f'/></References><DiskSection><Disk ovf:capacity='1' ovf:diskId='d' ovf:fileRef='f'/></DiskSection>" +
        "<VirtualSystem ovf:id='natalia'><VirtualHardwareSection><Item><rasd:HostResource>ovf:/disk/d</rasd:HostResource></Item></VirtualHardwareSection></VirtualSystem></Envelope>"
    $archive = [Formats.Tar.TarWriter]::new([IO.File]::Create($path), 'Ustar', $false)
    try {
        $entry = [Formats.Tar.UstarTarEntry]::new('RegularFile', 'natalia.ovf')
        $entry.DataStream = [IO.MemoryStream]::new([Text.Encoding]::UTF8.GetBytes($description))
        $archive.WriteEntry($entry)
        $archive.WriteEntry($image, 'system.img')
        $manifest = [Formats.Tar.UstarTarEntry]::new('RegularFile', 'natalia.mf')
        $manifest.DataStream = [IO.MemoryStream]::new([Text.Encoding]::ASCII.GetBytes("SHA256(system.img)= $((Get-FileHash $image).Hash)`n"))
        $archive.WriteEntry($manifest)
    }
    finally { $archive.Dispose() }
}

function NewSite {
    foreach ($folder in 'C/ProgramData', 'D/restore/vms', 'D/rescue', 'D/images', 'D/inventory', 'D/reports', 'E', 'N/nas/backup', 'N/site2/backup', 'N/nas2/backup', 'X', 'here') { $null = New-Item -ItemType Directory -Force -Path "$template/$folder" }
    $random = [Random]::new(1)
    foreach ($name in 'natalia-paris', 'natalia-lyon', 'natalia-test', 'natalia-paris-restored') {
        $vm = New-Item -ItemType Directory -Path "$template/D/Exports/$name"
        foreach ($disk in 'system', 'data') { $bytes = [byte[]]::new(140000); $random.NextBytes($bytes); [IO.File]::WriteAllBytes("$vm/$disk.raw", $bytes) }
        $id = if ($name -eq 'natalia-paris') { '0c1f52a6-f5bd-4d1b-9d3f-9a3f1d7f7c11' } else { [guid]::NewGuid() }
        [IO.File]::WriteAllText("$vm/vm.json", "{ `"id`": `"$id`", `"name`": `"$name`", `"disks`": [ { `"id`": `"scsi0`", `"path`": `"system.raw`", `"role`": `"System`" }, { `"id`": `"scsi1`", `"path`": `"data.raw`", `"role`": `"Data`" } ] }")
    }
    CopyTree "$template/D/Exports" "$template/N/nas/exports"
    # What appliances are deployed from: an image of a fresh system disk, and the OVA with it.
    Copy-Item "$template/D/Exports/natalia-test/system.raw" "$template/D/images/natalia-system.raw"
    NewOva "$template/D/images/natalia.ova" "$template/D/images/natalia-system.raw"
    Copy-Item "$template/D/images/natalia.ova" "$template/D/natalia.ova"
    $session = NewSession $template
    try {
        Invoke-In $session {
            $ErrorActionPreference = 'Stop'
            $null = Connect-NataliaHypervisor D:\Exports -Name exports
            $null = New-NataliaRepository N:\nas\backup\natalia -Name nas -Password (Get-Secret nas)
            $null = Add-NataliaRepositoryKey -Repository nas -Name 'former admin' -NewPassword (Get-AutomationPSCredential x).Password
            Set-NataliaRetention -Repository nas -Daily 7 -Force
            Set-NataliaAppliance natalia-paris, natalia-lyon, natalia-test -Repository nas -IncludeSystemDisk
            $null = Get-NataliaAppliance | Invoke-NataliaBackup
            # Names of exported files tell points apart by the second.
            Start-Sleep -Milliseconds 1100
            $null = Invoke-NataliaBackup natalia-paris
            $null = New-NataliaRepository E:\NataliaBackup -Name other -Password (Get-Secret other)
            Disconnect-NataliaRepository other
            $null = New-NataliaRepository N:\site2\backup\natalia -Name other -Password (Get-Secret other)
            $null = Get-NataliaRestorePoint natalia-paris -Repository nas | Copy-NataliaRestorePoint other
            Disconnect-NataliaRepository other
            $null = New-NataliaRepository D:\offsite -Name offsite -Unencrypted
            $null = Get-NataliaRestorePoint natalia-paris -Repository nas -WarningAction Ignore | Copy-NataliaRestorePoint offsite -WarningAction Ignore
            Set-NataliaRetention -Repository offsite -Daily 7 -Force
            $null = Export-NataliaProfile C:\ProgramData\natalia.json -SecretName @{ nas = 'natalia-nas' }
            Copy-Item C:\ProgramData\natalia.json -Destination natalia.json
            Copy-Item C:\ProgramData\natalia.json -Destination profile.json
            $null = Get-NataliaAuditRecord -Repository nas -Latest | Export-Csv X:\heads.csv
        }
        $facts = Invoke-In $session {
            [pscustomobject]@{
                Point = @(Get-NataliaRestorePoint natalia-paris -Repository nas)[-1].RestorePointId
                Fingerprint = (Get-NataliaRepository nas).AuditKeyFingerprint
                Paris = (Get-NataliaAppliance natalia-paris).ApplianceId
            }
        }
    }
    finally { $session.Dispose() }
    $facts
}

function Localize([string] $code, $facts, [string] $root) {
    $code = $code.Replace('\\nas\', 'N:\nas\').Replace('\\nas2\', 'N:\nas2\').Replace('\\site2\', 'N:\site2\').Replace('/etc/natalia/', "$root/here/").Replace('./out/Natalia.Backup', $Module)
    # Ids and dates cannot be the same twice.
    $code = $code -replace '\b3fa9c?1?\b', $facts.Point.Substring(0, 12) -replace '0c1f52a6f5bd4d1b9d3f9a3f1d7f7c11', $facts.Paris
    $code = $code -replace '-After \d{4}-\d\d-\d\d', '-After (Get-Date).AddDays(-9)' -replace '-Before \d{4}-\d\d-\d\d', '-Before (Get-Date).AddDays(9)'
    # Where the command would ask for a password, this is what is typed.
    $code = $code -replace '(?m)(New|Connect)-NataliaRepository(?=[^|\n]*\\)(?![^|\n]*(-Password|-Unencrypted|-AuditOnly))', '$0 -Password (Get-Secret typed)'
    $code -replace "(?m)Add-NataliaRepositoryKey(?![^|\n]*-NewPassword)", '$0 -NewPassword (Get-Secret typed)'
}

function Damage([string] $root) {
    # A byte of every large object of each repository.
    foreach ($pack in Get-ChildItem "$root/N", "$root/D/offsite" -Recurse -File | Where-Object { $_.FullName -match '/data/' -and $_.Length -gt 1000 }) {
        $bytes = [IO.File]::ReadAllBytes($pack.FullName); $middle = [int] ($bytes.Length / 2); $bytes[$middle] = $bytes[$middle] -bxor 255
        [IO.File]::WriteAllBytes($pack.FullName, $bytes)
    }
}

function RunExample($example, $facts, [string] $root, [string[]] $connected) {
    CopyTree $template $root
    foreach ($file in "$root/C/ProgramData/natalia.json", "$root/here/natalia.json", "$root/here/profile.json") { [IO.File]::WriteAllText($file, [IO.File]::ReadAllText($file).Replace("$template/", "$root/")) }
    if ($example.damaged) { Damage $root }
    # A VM that was restored is there in place of the lost one.
    if ($example.code -match '\bnatalia-paris-restored\b') { Remove-Item "$root/D/Exports/natalia-paris" -Recurse -Force }
    # An appliance that was just deployed, and is switched off.
    if ($example.code -match '\bnatalia-new\b') {
        CopyTree "$root/D/Exports/natalia-test" "$root/D/Exports/natalia-new"
        $described = "$root/D/Exports/natalia-new/vm.json"
        [IO.File]::WriteAllText($described, ([IO.File]::ReadAllText($described) -replace '"id": "[^"]{36}"', "`"id`": `"$([guid]::NewGuid())`"").Replace('natalia-test', 'natalia-new'))
    }
    # What an example makes is not there yet.
    foreach ($made in [regex]::Matches((Localize $example.code $facts $root), '(?m)New-NataliaRepository[^\n]*? (?:-Path )?([A-Z]):\\(\S+)')) { Remove-Item "$root/$($made.Groups[1].Value)/$($made.Groups[2].Value.Replace('\', '/'))" -Recurse -Force -ErrorAction Ignore }
    if ($example.code -match 'Export-NataliaProfile (-Path )?C:' -and $example.code -notmatch 'Import-NataliaProfile') { [IO.File]::Delete("$root/C/ProgramData/natalia.json") }
    $session = NewSession $root
    try {
        Invoke-In $session {
            param($connected, $fingerprint, $code)
            $global:fingerprint = $fingerprint
            # Sessions that the example opens itself are not open yet.
            if ($connected -contains 'exports' -and $code -notmatch '\bConnect-NataliaHypervisor') { $null = Connect-NataliaHypervisor D:\Exports -Name exports }
            if ($connected -contains 'nas' -and $code -notmatch '(Connect|New)-NataliaRepository.*-Name nas\b') { $null = Connect-NataliaRepository N:\nas\backup\natalia -Name nas -Password (Get-Secret nas) }
            if ($code -match '-Hypervisor vms\b') { $null = Connect-NataliaHypervisor D:\restore\vms -Name vms }
            foreach ($name in 'offsite', 'local') { if ($connected -contains $name -and $code -notmatch "(Connect|New)-NataliaRepository.*-Name $name\b") { $null = Connect-NataliaRepository D:\offsite -Name $name -Unencrypted } }
        } $connected, $facts.Fingerprint, $example.code
        $shell = [powershell]::Create()
        $shell.Runspace = $session
        try {
            $null = $shell.AddScript((Localize $example.code $facts $root)).AddCommand('Out-Null')
            try { $null = $shell.Invoke(); $ended = $null } catch { $ended = "$($_.Exception.InnerException.Message ?? $_.Exception.Message)" }
            [pscustomobject]@{ Ended = $ended; Errors = @($shell.Streams.Error | ForEach-Object { "$($_.FullyQualifiedErrorId): $_" }) }
        }
        finally { $shell.Dispose() }
    }
    finally { $session.Dispose(); [IO.Directory]::Delete($root, $true) }
}

$facts = NewSite
$number = 0
foreach ($example in Get-Content $Examples -Raw | ConvertFrom-Json) {
    $first = $null
    # An admin with one repository, or with several: an example has to be right for one of them.
    foreach ($connected in @('exports', 'nas'), @('exports', 'nas', 'offsite', 'local'), @()) {
        $number++
        $result = RunExample $example $facts (Join-Path $Sandbox "run$number") $connected
        $first ??= $result
        if ($example.damaged -or (-not $result.Ended -and -not $result.Errors)) { $first = $result; break }
    }
    [pscustomobject]@{ id = $example.id; damaged = [bool] $example.damaged; ended = $first.Ended; errors = @($first.Errors) } | ConvertTo-Json -Compress -Depth 3
}
