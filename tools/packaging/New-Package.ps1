<#
.SYNOPSIS
Packs what was built: the module and the tool natalia as packages, the module as a zip, and what they consist of.

.DESCRIPTION
Natalia.Backup.VERSION.nupkg        the module, for the PowerShell Gallery or a repository of one's own (Publish-PSResource -NupkgPath)
Natalia.Backup.Tool.VERSION.nupkg   natalia, for 'dotnet tool install'
Natalia.Backup-VERSION.zip          the module's folder
*.cdx.json                          the software bill of materials of each, in CycloneDX

Build first (dotnet build -c Release): nothing is compiled here. PowerShell 7 is needed, whose PSResourceGet makes the module's package.

.PARAMETER Destination
The folder for what is made.

.PARAMETER CertificateFingerprint
The SHA-256 of a certificate for code signing in the user's store, with its private key. Both packages are signed with it (dotnet nuget sign). On Windows the module's own files get
an Authenticode signature before; no other system can make those, and a warning says so.

.PARAMETER Timestamper
The address of a server for time stamps (RFC 3161). Without one the signatures end with the certificate.

.PARAMETER ModuleOnly
Leaves the tool out.
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $Destination,
    [ValidatePattern('^[0-9A-Fa-f]{64}$')] [string] $CertificateFingerprint,
    [uri] $Timestamper,
    [ValidateSet('Release', 'Debug')] [string] $Configuration = 'Release',
    [switch] $ModuleOnly
)
$ErrorActionPreference = 'Stop'
$root = [IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..', '..'))
$Destination = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Destination)
if (-not (Get-Command Compress-PSResource -ErrorAction Ignore)) { throw 'Compress-PSResource of Microsoft.PowerShell.PSResourceGet 1.1 or newer is not here; PowerShell 7.5 and newer bring it along.' }
$module = Join-Path $root 'out/Natalia.Backup'
if (-not (Test-Path "$module/Natalia.Backup.psd1")) { throw "Build first: there is no $module." }
$version = (Import-PowerShellDataFile "$module/Natalia.Backup.psd1").ModuleVersion
$null = [IO.Directory]::CreateDirectory($Destination)

function Invoke-Dotnet {
    & dotnet @args | Out-Host
    if ($LASTEXITCODE -ne 0) { throw "dotnet $($args[0]) $($args[1]) ended with exit code $LASTEXITCODE." }
}

# A copy is packed, so that signatures do not change what was built, and so that the next build sees nothing new.
$copy = Join-Path ([IO.Path]::GetTempPath()) "natalia-pack-$([guid]::NewGuid().ToString('n'))/Natalia.Backup"
try {
    $null = [IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($copy))
    Copy-Item -Recurse -LiteralPath $module -Destination $copy
    if ($CertificateFingerprint) {
        if ($IsWindows) {
            $certificate = Get-ChildItem Cert:\CurrentUser\My -CodeSigningCert | Where-Object { $_.GetCertHashString('SHA256') -eq $CertificateFingerprint }
            if (-not $certificate) { throw "There is no certificate for code signing with the SHA-256 $CertificateFingerprint in Cert:\CurrentUser\My." }
            $stamp = if ($Timestamper) { @{ TimestampServer = $Timestamper.AbsoluteUri } } else { @{} }
            $own = Get-ChildItem $copy -Recurse -File | Where-Object { $_.Extension -in '.psd1', '.psm1', '.ps1', '.ps1xml' -or ($_.Extension -eq '.dll' -and $_.Name -like 'Natalia.*') }
            foreach ($file in $own) {
                $signed = Set-AuthenticodeSignature -LiteralPath $file.FullName -Certificate $certificate -HashAlgorithm SHA256 @stamp
                if (-not $signed.SignerCertificate) { throw "$($file.Name) was not signed: $($signed.StatusMessage)" }
            }
        }
        else { Write-Warning 'Authenticode signatures can be made on Windows alone: the files in the module are not signed, the packages are. A policy of AllSigned asks for the former.' }
    }

    $made = [Collections.Generic.List[string]]::new()
    $package = Join-Path $Destination "Natalia.Backup.$version.nupkg"
    if (Test-Path $package) { Remove-Item -LiteralPath $package }
    Compress-PSResource -Path $copy -DestinationPath $Destination
    $made.Add($package)
    $projects = @{ 'Natalia.Backup' = 'src/Natalia.Backup/Natalia.Backup.csproj' }
    if (-not $ModuleOnly) {
        Invoke-Dotnet pack (Join-Path $root 'src/Natalia.Backup.Host') -c $Configuration --no-build -o $Destination -v q
        $made.Add((Join-Path $Destination "Natalia.Backup.Tool.$version.nupkg"))
        $projects['Natalia.Backup.Tool'] = 'src/Natalia.Backup.Host/Natalia.Backup.Host.csproj'
    }
    if ($CertificateFingerprint) {
        foreach ($file in $made) {
            $stamp = if ($Timestamper) { @('--timestamper', $Timestamper.AbsoluteUri) } else { @() }
            Invoke-Dotnet nuget sign $file --certificate-fingerprint $CertificateFingerprint --overwrite -v q @stamp
        }
    }
    $zip = Join-Path $Destination "Natalia.Backup-$version.zip"
    Compress-Archive -LiteralPath $copy -DestinationPath $zip -Force
    $made.Add($zip)
    Push-Location $root
    try {
        foreach ($name in $projects.Keys | Sort-Object) {
            $bill = "$name.$version.cdx.json"
            Invoke-Dotnet tool run dotnet-CycloneDX $projects[$name] --output $Destination --filename $bill --output-format Json --recursive --disable-package-restore --exclude-dev --set-name $name --set-version $version --set-type $(if ($name -like '*.Tool') { 'Application' } else { 'Library' })
            $made.Add((Join-Path $Destination $bill))
        }
    }
    finally { Pop-Location }
    $made | Sort-Object | Get-Item
}
finally { Remove-Item -Recurse -Force -LiteralPath ([IO.Path]::GetDirectoryName($copy)) -ErrorAction Ignore }
