# The package of the module: what is installed from it is what was built. Needs PSResourceGet, which PowerShell 7.4 and newer bring along.
BeforeDiscovery {
    # On Windows what PSResourceGet registers and what signs lies where no variable of the environment leads: it would be the user's own.
    $noPackages = -not (Get-Command Compress-PSResource -ErrorAction Ignore) -or $IsWindows
}
BeforeAll {
    . (Join-Path $PSScriptRoot common.ps1)
    $root = [IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..', '..'))
    function Get-Content256([string] $Folder) {
        Get-ChildItem $Folder -Recurse -File | ForEach-Object { "$([IO.Path]::GetRelativePath($Folder, $_.FullName).Replace('\', '/')) $((Get-FileHash $_.FullName).Hash)" } | Sort-Object
    }
}

Describe 'The module''s folder' {
    It 'holds exactly the files that build/module-files.txt names' {
        $have = Get-ChildItem $moduleRoot -Recurse -File | ForEach-Object { [IO.Path]::GetRelativePath($moduleRoot, $_.FullName).Replace('\', '/') } | Sort-Object -CaseSensitive
        $want = Get-Content (Join-Path $root 'build/module-files.txt') | Where-Object { $_ -and -not $_.StartsWith('#') } | Sort-Object -CaseSensitive
        Compare-Object $want $have | ForEach-Object { "$($_.SideIndicator) $($_.InputObject)" } | Should -BeNullOrEmpty
    }

    It 'takes less than 32 MiB' {
        (Get-ChildItem $moduleRoot -Recurse -File | Measure-Object Length -Sum).Sum | Should -BeLessThan 32MB
    }

    It 'names no folder of the machine that built it' {
        foreach ($file in Get-ChildItem $moduleRoot -Recurse -Filter Natalia.*.dll) {
            $bytes = [Text.Encoding]::Latin1.GetString([IO.File]::ReadAllBytes($file.FullName))
            # As names of files are kept, and as texts of a program are.
            foreach ($encoding in [Text.Encoding]::UTF8, [Text.Encoding]::Unicode) {
                $bytes.Contains([Text.Encoding]::Latin1.GetString($encoding.GetBytes($root.TrimEnd('/', '\')))) | Should -BeFalse -Because "$($file.Name), $($encoding.WebName)"
            }
        }
    } -Skip:($PSVersionTable.PSEdition -ne 'Core')

    It 'has notices for every library of others, as they are now' {
        $fresh = Join-Path $TestDrive 'notices.txt'
        & (Join-Path $root 'tools/packaging/Write-ThirdPartyNotices.ps1') -Path $fresh
        [IO.File]::ReadAllText((Join-Path $moduleRoot 'THIRD-PARTY-NOTICES.txt')) | Should -BeExactly ([IO.File]::ReadAllText($fresh)) -Because 'tools/packaging/Write-ThirdPartyNotices.ps1 writes it anew'
    } -Skip:($PSVersionTable.PSEdition -ne 'Core')

    It 'comes with no library that nobody knows the notices of' {
        $null = New-Item -ItemType Directory -Force (Join-Path $TestDrive 'strange/bin')
        [IO.File]::WriteAllText((Join-Path $TestDrive 'strange/bin/Somebody.Elses.dll'), '')
        { & (Join-Path $root 'tools/packaging/Write-ThirdPartyNotices.ps1') -Path (Join-Path $TestDrive 'n.txt') -ModuleFolder (Join-Path $TestDrive 'strange') } | Should -Throw '*Somebody.Elses.dll comes from no package*'
    } -Skip:($PSVersionTable.PSEdition -ne 'Core')
}

Describe 'The folder of the tool' -Skip:($PSVersionTable.PSEdition -ne 'Core') {
    It 'has notices for PowerShell''s libraries as well, as they are now' {
        $fresh = Join-Path $TestDrive 'tool.txt'
        & (Join-Path $root 'tools/packaging/Write-ThirdPartyNotices.ps1') -ToolPath $fresh
        $tool = Join-Path $root 'out/natalia'
        [IO.File]::ReadAllText((Join-Path $tool 'THIRD-PARTY-NOTICES.txt')) | Should -BeExactly ([IO.File]::ReadAllText($fresh)) -Because 'tools/packaging/Write-ThirdPartyNotices.ps1 writes it anew'
        [IO.File]::ReadAllText($fresh) | Should -Match '(?m)^System\.Management\.Automation '
        Join-Path $tool 'PowerShell-THIRD-PARTY-NOTICES.txt' | Should -Exist
    }
}

Describe 'The package' -Skip:$noPackages {
    BeforeAll {
        # In processes of their own, whose user has an empty home: what is registered, installed and signed with is nobody's.
        $folder = Join-Path ([IO.Path]::GetTempPath()) "natalia-package-$(New-Guid)"
        # Without .config NuGet takes the current folder for its settings, and without .local/share PSResourceGet for its list of repositories.
        $null = New-Item -ItemType Directory "$folder/home/.config", "$folder/home/.local/share", "$folder/packages"
        function Invoke-Shell([string] $Script) {
            $file = Join-Path $folder "$(New-Guid).ps1"
            [IO.File]::WriteAllText($file, "`$ErrorActionPreference = 'Stop'; `$ProgressPreference = 'SilentlyContinue'`n$Script")
            $before = @{}
            foreach ($name in 'HOME', 'XDG_DATA_HOME', 'DOTNET_CLI_HOME', 'PSModulePath') { $before[$name] = [Environment]::GetEnvironmentVariable($name) }
            try {
                # The tools of the repository are the real user's.
                $env:DOTNET_CLI_HOME = $env:HOME
                $env:HOME = "$folder/home"
                $env:XDG_DATA_HOME = $env:PSModulePath = $null
                $output = & $shell -NoProfile -NonInteractive -File $file 2>&1
                if ($LASTEXITCODE -ne 0) { throw ($output -join "`n") }
                $output
            }
            finally { foreach ($name in $before.Keys) { [Environment]::SetEnvironmentVariable($name, $before[$name]) } }
        }
        $pack = Join-Path $root 'tools/packaging/New-Package.ps1'
        $fingerprint = Invoke-Shell @'
$key = [Security.Cryptography.RSA]::Create(3072)
$request = [Security.Cryptography.X509Certificates.CertificateRequest]::new('CN=Natalia test', $key, 'SHA256', [Security.Cryptography.RSASignaturePadding]::Pkcs1)
$uses = [Security.Cryptography.OidCollection]::new(); $null = $uses.Add([Security.Cryptography.Oid]::new('1.3.6.1.5.5.7.3.3'))
$request.CertificateExtensions.Add([Security.Cryptography.X509Certificates.X509EnhancedKeyUsageExtension]::new($uses, $true))
$request.CertificateExtensions.Add([Security.Cryptography.X509Certificates.X509KeyUsageExtension]::new('DigitalSignature', $true))
$made = $request.CreateSelfSigned([DateTimeOffset]::UtcNow.AddMinutes(-5), [DateTimeOffset]::UtcNow.AddDays(1))
$certificate = [Security.Cryptography.X509Certificates.X509Certificate2]::new($made.Export('Pfx', ''), '', 'Exportable, PersistKeySet')
$store = [Security.Cryptography.X509Certificates.X509Store]::new('My', 'CurrentUser'); $store.Open('ReadWrite'); $store.Add($certificate); $store.Close()
$made.GetCertHashString('SHA256')
'@
        $made = Invoke-Shell "& '$pack' -Destination '$folder/packages' -ModuleOnly -CertificateFingerprint $fingerprint -WarningAction SilentlyContinue | ForEach-Object Name"
        $package = (Get-ChildItem "$folder/packages/Natalia.Backup.*.nupkg").FullName
    }
    AfterAll { Remove-Item -Recurse -Force -LiteralPath $folder -ErrorAction Ignore }

    It 'comes with a zip and a bill of materials' {
        $version = (Import-PowerShellDataFile $manifest).ModuleVersion
        foreach ($name in "Natalia.Backup.$version.nupkg", "Natalia.Backup-$version.zip", "Natalia.Backup.$version.cdx.json") { $made | Should -Contain $name }
    }

    It 'is signed' {
        $zip = [IO.Compression.ZipFile]::OpenRead($package)
        try { $zip.Entries.FullName | Should -Contain '.signature.p7s' } finally { $zip.Dispose() }
    }

    It 'takes less than 14 MiB' { (Get-Item $package).Length | Should -BeLessThan 14MB }

    It 'has a bill of materials with every library of others' {
        $bill = Get-Content -Raw (Get-ChildItem "$folder/packages/*.cdx.json").FullName | ConvertFrom-Json
        $named = $bill.components | ForEach-Object { "$($_.name) $($_.version)" }
        foreach ($line in Get-Content (Join-Path $moduleRoot 'THIRD-PARTY-NOTICES.txt') | Where-Object { $_ -match '^[A-Z][\w.]+ \d+\.\d+\.\d+$' }) { $named | Should -Contain $line }
    }

    It 'is installed from a repository in a folder, imported, and is what was built' {
        $imported = Invoke-Shell @"
`$null = New-Item -ItemType Directory '$folder/gallery'
Register-PSResourceRepository -Name local -Uri '$folder/gallery' -Trusted
Publish-PSResource -NupkgPath '$package' -Repository local
Install-PSResource Natalia.Backup -Repository local -Scope CurrentUser
Import-Module Natalia.Backup
`$base = (Get-Module Natalia.Backup).ModuleBase
if (-not `$base.StartsWith('$folder')) { throw "another one was imported: `$base" }
if ((Get-Command -Module Natalia.Backup).Count -lt 50) { throw 'cmdlets are missing' }
`$null = Connect-NataliaHypervisor -Folder '$folder/gallery'
`$base
"@
        $base = @($imported)[-1]
        # PSResourceGet writes a file of its own beside.
        $have = Get-Content256 $base | Where-Object { $_ -notmatch '^PSGetModuleInfo\.xml ' }
        Compare-Object (Get-Content256 $moduleRoot) $have | ForEach-Object { "$($_.SideIndicator) $($_.InputObject)" } | Should -BeNullOrEmpty
    }
}
