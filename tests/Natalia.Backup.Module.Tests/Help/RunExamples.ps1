<#
.SYNOPSIS
Runs the examples of help and documents, each in a session of its own on a copy of the same small site, and writes what came of each as a line of JSON.

.DESCRIPTION
The site has what the examples name: VMs, a repository on a NAS and one off-site, a profile, secrets, a signing certificate, a signed report of before. What an example says is changed only where it cannot be the same here; Localize has
each change with its reason. With -Endpoint the examples are those of buckets, and each takes buckets of its own from -Buckets.
#>
param(
    # The module's manifest.
    [Parameter(Mandatory)] [string] $Module,
    # A JSON file: [ { "id": "...", "code": "...", "damaged": false } ].
    [Parameter(Mandatory)] [string] $Examples,
    # An empty folder to work in.
    [Parameter(Mandatory)] [string] $Sandbox,
    # An S3 server, whose key is in NATALIA_TEST_KEY and NATALIA_TEST_SECRET.
    [string] $Endpoint,
    # Names of empty buckets there, with Object Lock: one for each name of a bucket in an example.
    [string[]] $Buckets = @()
)
$ErrorActionPreference = 'Stop'
$template = Join-Path $Sandbox 'site'
$drives = 'C', 'D', 'E', 'N', 'X'
$free = [Collections.Generic.Queue[string]]::new([string[]] @($Buckets -split ','))

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
        # What a person types when asked: a password, or the key of the buckets.
        function global:Read-Answer([switch] $Key) {
            $s = [securestring]::new()
            $(if ($Key) { $env:NATALIA_TEST_SECRET } else { 'correct horse' }).ToCharArray().ForEach({ $s.AppendChar($_) })
            if ($Key) { [pscredential]::new($env:NATALIA_TEST_KEY, $s) } else { $s }
        }
        # An example that stores its secrets must have stored each one that it takes out; others take for granted that they are there.
        $global:stored = @{}
        function global:Get-Secret {
            [CmdletBinding()] param([string] $Name)
            if ($stored.ContainsKey($Name)) { return $stored[$Name] }
            if ($stored.Count) { throw "The vault has no secret '$Name'." }
            Read-Answer -Key:($env:NATALIA_TEST_KEY -and $Name -match 's3$|wasabi')
        }
        function global:Set-Secret { [CmdletBinding()] param([string] $Name, $Secret) $stored[$Name] = $Secret ?? (Read-Answer) }
        function global:Get-Credential { [CmdletBinding()] param([string] $UserName, [string] $Message) if ($env:NATALIA_TEST_KEY) { Read-Answer -Key } else { [pscredential]::new("$UserName", (Read-Answer)) } }
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

# An authority, and a certificate that it gave to who signs reports and serves disks.
function NewCertificate([string] $rootPath, [string] $path) {
    $from, $until = [DateTimeOffset]::UtcNow.AddDays(-1), [DateTimeOffset]::UtcNow.AddDays(9)
    $key = [Security.Cryptography.RSA]::Create(2048)
    $request = [Security.Cryptography.X509Certificates.CertificateRequest]::new('CN=Backup authority', $key, 'SHA256', [Security.Cryptography.RSASignaturePadding]::Pkcs1)
    $request.CertificateExtensions.Add([Security.Cryptography.X509Certificates.X509BasicConstraintsExtension]::new($true, $false, 0, $true))
    $root = $request.CreateSelfSigned($from, $until)
    $own = [Security.Cryptography.RSA]::Create(2048)
    $request = [Security.Cryptography.X509Certificates.CertificateRequest]::new('CN=Backup audit', $own, 'SHA256', [Security.Cryptography.RSASignaturePadding]::Pkcs1)
    $request.CertificateExtensions.Add([Security.Cryptography.X509Certificates.X509KeyUsageExtension]::new('DigitalSignature', $true))
    $given = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::CopyWithPrivateKey($request.Create($root, $from, $until, [byte[]] (1, 2, 3, 4)), $own)
    [IO.File]::WriteAllText($rootPath, $root.ExportCertificatePem())
    [IO.File]::WriteAllBytes($path, $given.Export('Pfx'))
}

function NewSite {
    foreach ($folder in 'C/ProgramData', 'D/keys', 'D/restore/vms', 'D/rescue', 'D/images', 'D/inventory', 'D/reports', 'E', 'N/nas/backup', 'N/site2/backup', 'N/nas2/backup', 'X', 'here') { $null = New-Item -ItemType Directory -Force -Path "$template/$folder" }
    $random = [Random]::new(1)
    foreach ($name in 'natalia-paris', 'natalia-lyon', 'natalia-test', 'natalia-paris-restored') {
        $vm = New-Item -ItemType Directory -Path "$template/D/Exports/$name"
        foreach ($disk in 'system', 'data') { $bytes = [byte[]]::new(274 * 512); $random.NextBytes($bytes); [IO.File]::WriteAllBytes("$vm/$disk.raw", $bytes) }
        $id = if ($name -eq 'natalia-paris') { '0c1f52a6-f5bd-4d1b-9d3f-9a3f1d7f7c11' } else { [guid]::NewGuid() }
        [IO.File]::WriteAllText("$vm/vm.json", "{ `"id`": `"$id`", `"name`": `"$name`", `"disks`": [ { `"id`": `"scsi0`", `"path`": `"system.raw`", `"role`": `"System`" }, { `"id`": `"scsi1`", `"path`": `"data.raw`", `"role`": `"Data`" } ] }")
    }
    CopyTree "$template/D/Exports" "$template/N/nas/exports"
    # What appliances are deployed from: an image of a fresh system disk, and the OVA with it.
    Copy-Item "$template/D/Exports/natalia-test/system.raw" "$template/D/images/natalia-system.raw"
    NewOva "$template/D/images/natalia.ova" "$template/D/images/natalia-system.raw"
    Copy-Item "$template/D/images/natalia.ova" "$template/D/natalia.ova"
    NewCertificate "$template/here/root.cer" "$template/D/keys/backup.pfx"
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
            $null = Export-NataliaReport -Path D:\reports\2026-09.html -Certificate (Get-PfxCertificate D:\keys\backup.pfx)
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

function TestPort([int] $port) {
    $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, $port)
    try { $listener.Start(); $true } catch { $false } finally { $listener.Stop() }
}

# A free port of this machine, with a free one behind it: two disks are served at one each. Below those that the system gives away.
function FindPort {
    do { $port = Get-Random -Minimum 20000 -Maximum 32000 } until ((TestPort $port) -and (TestPort ($port + 1)))
    $port
}

# Each change of what an example says, with its reason.
function Localize([string] $code, $facts, [string] $root, [string[]] $own, [int] $port) {
    # A share is a folder of a drive here, and a folder of Linux one below the site's own.
    $code = $code.Replace('\\nas\', 'N:\nas\').Replace('\\nas2\', 'N:\nas2\').Replace('\\site2\', 'N:\site2\').Replace('/etc/natalia/', "$root/here/").Replace('/var/lib/prometheus/node-exporter/', "$root/here/").Replace('./out/Natalia.Backup', $Module)
    # Ids and dates cannot be the same twice.
    if ($code -notmatch '-MountId') { $code = $code -replace '\b3fa9c?1?\b', $facts.Point.Substring(0, 12) }
    $code = $code -replace '-MountId 3fa9', '-MountId $mounted' -replace '0c1f52a6f5bd4d1b9d3f9a3f1d7f7c11', $facts.Paris
    $code = $code -replace '-After \d{4}-\d\d-\d\d', '-After (Get-Date).AddDays(-9)' -replace '-Before \d{4}-\d\d-\d\d', '-Before (Get-Date).AddDays(9)'
    # Where the command would ask for a password, this is what is typed.
    $code = $code -replace '(?m)(New|Connect)-NataliaRepository(?=[^|\n]*(\\|-Bucket))(?![^|\n]*(-Password|-Unencrypted|-AuditOnly))', '$0 -Password (Read-Answer)'
    $code = $code -replace "(?m)Add-NataliaRepositoryKey(?![^|\n]*-NewPassword)", '$0 -NewPassword (Read-Answer)'
    # The address of another network is that of this machine, whose known ports others may have; the store of certificates is a drive on Windows alone.
    $code = ($code -replace '-Address 10\.0\.8\.4 -Port (10809|3260)\b', "-Address 127.0.0.1 -Port $port").Replace('Get-ChildItem Cert:\CurrentUser\My', 'Get-PfxCertificate D:\keys\backup.pfx')
    # Buckets are those of the server here, under names that nobody has used; AWS, where -Endpoint is left out, is not to be had.
    if ($own) {
        $code = $code -replace '-Endpoint https://\S+', "-Endpoint $Endpoint" -replace '(?m)-Bucket \S+(?![^|]*-Endpoint)', "`$0 -Endpoint $Endpoint"
        $code = $code -replace '-Bucket natalia-[a-z]+\b', "-Bucket $($own[0])"
    }
    $code
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
    [string[]] $own = @(if ($Endpoint) { $free.Dequeue() })
    $port = FindPort
    $code = Localize $example.code $facts $root $own $port
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
    foreach ($made in [regex]::Matches($code, '(?m)New-NataliaRepository[^\n]*? (?:-Path )?([A-Z]):\\(\S+)')) { Remove-Item "$root/$($made.Groups[1].Value)/$($made.Groups[2].Value.Replace('\', '/'))" -Recurse -Force -ErrorAction Ignore }
    if ($example.code -match 'Export-NataliaProfile (-Path )?C:' -and $example.code -notmatch 'Import-NataliaProfile') { [IO.File]::Delete("$root/C/ProgramData/natalia.json") }
    $session = NewSession $root
    try {
        Invoke-In $session {
            param($connected, $point, $fingerprint, $code, $endpoint, $bucket, $port)
            $global:fingerprint = $fingerprint
            $global:served = $port
            # What an example takes for granted in its session.
            $global:certificate = Get-PfxCertificate D:\keys\backup.pfx
            $global:thumbprint = $certificate.Thumbprint
            # Sessions that the example opens itself are not open yet.
            if ($connected -contains 'exports' -and $code -notmatch '\bConnect-NataliaHypervisor') { $null = Connect-NataliaHypervisor D:\Exports -Name exports }
            if ($connected -contains 'nas' -and $code -notmatch '(Connect|New)-NataliaRepository.*-Name nas\b') { $null = Connect-NataliaRepository N:\nas\backup\natalia -Name nas -Password (Get-Secret nas) }
            if ($code -match '-Hypervisor vms\b') { $null = Connect-NataliaHypervisor D:\restore\vms -Name vms }
            foreach ($name in 'offsite', 'local') { if ($connected -contains $name -and $code -notmatch "(Connect|New)-NataliaRepository.*-Name $name\b") { $null = Connect-NataliaRepository D:\offsite -Name $name -Unencrypted } }
            # An overlay that an earlier mount left, or a mount that is still there.
            if ($connected -and $code -match '-Overlay ') { Mount-NataliaRestorePoint -RestorePointId $point -Repository nas -DiskId scsi1 -Writable -OverlayPath D:\try.overlay -KeepOverlay | Dismount-NataliaRestorePoint }
            if ($connected -and $code -match '-MountId') { $global:mounted = (Get-NataliaRestorePoint natalia-paris -Repository nas -Latest | Mount-NataliaRestorePoint -DiskId scsi1).MountId.Substring(0, 8) }
            # A bucket that an example connects holds a repository.
            if ($bucket -and $code -match 'Connect-NataliaRepository[^\n]*-Bucket') {
                $null = New-NataliaRepository -Bucket $bucket -Endpoint $endpoint -Credential (Get-Secret made-s3) -Password (Get-Secret made) -Name made
                Disconnect-NataliaRepository made
            }
        } $connected, $facts.Point, $facts.Fingerprint, $example.code, $Endpoint, ($own | Select-Object -First 1), $port
        $shell = [powershell]::Create()
        $shell.Runspace = $session
        try {
            if ($code -notmatch '\bexit \d') { $null = $shell.AddScript($code) }
            else {
                # Only a script leaves with a number that can be looked at.
                $script = "$root/example.ps1"
                [IO.File]::WriteAllText($script, $code)
                $null = $shell.AddScript('. $args[0]').AddArgument($script)
            }
            $printed = @()
            try { $printed = @($shell.Invoke()); $ended = $null } catch { $ended = "$($_.Exception.InnerException.Message ?? $_.Exception.Message)" }
            $errors = @($shell.Streams.Error | ForEach-Object { "$($_.FullyQualifiedErrorId): $_" })
            # What it should print or make is there.
            if (-not $ended -and -not $errors -and $proofs[$example.id]) {
                try { $errors = @(Invoke-In $session $proofs[$example.id] (, $printed) | Where-Object { $_ -is [string] -or -not $_ } | ForEach-Object { "not what it says: $_" }) }
                catch { $errors = @("not what it says: $_") }
            }
            [pscustomobject]@{ Ended = $ended; Errors = $errors; Warnings = @($shell.Streams.Warning | ForEach-Object { "$_" }) }
        }
        finally { $shell.Dispose() }
    }
    finally { $session.Dispose(); [IO.Directory]::Delete($root, $true) }
}

# What examples should have printed or made; a proof that gives $false or a text has failed.
$proofs = @{
    'Export-NataliaDisk example 6' = { (Get-Item D:\tried.raw).Length -eq 140288 -or 'the image has another length' }
    'Export-NataliaReport example 2' = { $name = "D:\reports\$(Get-Date -Format yyyy-MM)"; "$name.html", "$name.json", "$name.json.p7s" | ForEach-Object { if (-not (Test-Path $_)) { "there is no $_" } } }
    'Dismount-NataliaRestorePoint example 1' = { -not (Get-NataliaMount) }
    'Mount-NataliaRestorePoint example 1' = { param($printed) @($printed -match '^virtual size').Count -eq 2 }
    'Mount-NataliaRestorePoint example 3' = { param($printed) @($printed.Uri -match "^nbds://127\.0\.0\.1:($served|$($served + 1))/").Count -eq 2 }
    'Mount-NataliaRestorePoint example 4' = { param($printed) @($printed.Uri -match "^iscsi://127\.0\.0\.1:($served|$($served + 1))/").Count -eq 2 }
    # A site that was made this minute proves nothing of its schedule yet, which monitoring is told by 2.
    'Measure-NataliaRecovery example 3' = { $global:LASTEXITCODE -eq 2 }
    'evidence.md block 2' = { $global:LASTEXITCODE -eq 2 }
    'about_NataliaAutomation.help.txt block 4' = { $global:LASTEXITCODE -eq 2 }
    'Test-NataliaReport example 1' = { param($printed) "$(($printed | Where-Object Name -in Signer, Certificate, Signature).Result)" -eq 'Passed Passed Passed' }
    'Test-NataliaReport example 2' = { param($printed) $printed.Count -eq 0 -and @(Get-ChildItem D:\reports -Filter *.p7s).Count -eq 1 }
    'report.md block 1' = { param($printed) (Test-Path ./natalia.prom) -and @($printed | Where-Object Name -in Signer, Certificate, Signature | Where-Object Result -ne Passed).Count -eq 0 }
    'troubleshooting.md block 2' = { (Get-NataliaAppliance natalia-paris -Repository rescue).Hypervisor -eq 'restored' }
    'New-NataliaRepository example 2' = { param($printed) @($printed | Where-Object Result -eq Failed).Count -eq 0 -and (Get-NataliaRepository vault).ImmutableDays -eq 30 }
    'New-NataliaRepository example 4' = { -not (Get-NataliaRepository -ErrorAction Ignore | Where-Object Name -eq vault) }
    'README.md block 5' = { @(Get-NataliaRestorePoint -Repository offsite).Count -eq @(Get-NataliaRestorePoint -Repository nas).Count }
    'README.md block 7' = { "$((Get-Content C:\ProgramData\natalia.json -Raw | ConvertFrom-Json).repositories.name)" -eq 'nas offsite' }
    'troubleshooting.md block 3' = { (Get-NataliaRepository rescue).IsUnlocked }
    'about_NataliaCredentials.help.txt block 1' = { @(Get-NataliaRepository | Where-Object IsUnlocked).Count -ge 2 }
    'about_NataliaImmutability.help.txt block 1' = { (Get-NataliaRepository offsite).ImmutableDays -eq 30 }
    'Export-NataliaReport example 4' = { [IO.File]::ReadAllText((Convert-Path ./natalia.prom)) -match '(?m)^natalia_backup_objective_verdict\{' }
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
    [pscustomobject]@{ id = $example.id; damaged = [bool] $example.damaged; ended = $first.Ended; errors = @($first.Errors); warnings = @($first.Warnings) } | ConvertTo-Json -Compress -Depth 3
}
