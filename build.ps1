<#
.SYNOPSIS
Builds, tests and packs Natalia.Backup from PowerShell.

.DESCRIPTION
'dotnet build -c Release' does all that is needed to use the module; this adds the help, the tests of what a user sees, and packages.

  Build   the module to out/Natalia.Backup, the runner to out/natalia
  Help    en-US/Natalia.Backup.dll-Help.xml, from the documentation comments of the cmdlets
  Test    dotnet test, then the Pester files in this PowerShell; Pester comes from NuGet
  Pack    in out/packages: the module and the runner as packages, the module as a zip, and what they consist of
          (tools/packaging/New-Package.ps1). With -CertificateFingerprint they are signed

.EXAMPLE
./build.ps1

.EXAMPLE
./build.ps1 -Task Help, Test
#>
[CmdletBinding()]
param(
    [ValidateSet('Build', 'Help', 'Test', 'Pack')]
    [string[]] $Task = @('Build', 'Test'),

    [ValidateSet('Release', 'Debug')]
    [string] $Configuration = 'Release',

    # The SHA-256 of a certificate for code signing in the user's store.
    [string] $CertificateFingerprint,

    # The address of a server for time stamps.
    [uri] $Timestamper
)
$ErrorActionPreference = 'Stop'
Set-Location $PSScriptRoot

function Invoke-Dotnet {
    & dotnet @args
    if ($LASTEXITCODE -ne 0) { throw "dotnet $($args -join ' ') ended with exit code $LASTEXITCODE." }
}

foreach ($one in $Task) {
    switch ($one) {
        'Build' { Invoke-Dotnet build -c $Configuration }
        'Help' {
            Invoke-Dotnet run --project tools/Natalia.Backup.HelpGenerator -c $Configuration
            # Lays the new file out.
            Invoke-Dotnet build src/Natalia.Backup -c $Configuration
        }
        'Test' {
            Invoke-Dotnet test -c $Configuration
            Invoke-Dotnet restore tests/Pester/Pester.csproj
            $pester = Invoke-Dotnet msbuild tests/Pester/Pester.csproj -getProperty:PesterManifest
            $env:NATALIA_OLDER_AWS = Invoke-Dotnet msbuild tests/Pester/Pester.csproj -getProperty:OlderAwsLibrary
            # In a process of its own: a module's assemblies cannot be unloaded from this one.
            $arguments = '-NoProfile', '-NonInteractive', '-File', 'tests/Pester/run.ps1', '-Pester', $pester
            $shell = (Get-Process -Id $PID).Path
            if ([IO.Path]::GetFileNameWithoutExtension($shell) -eq 'dotnet') { $shell = Join-Path $PSHOME 'pwsh' }
            & $shell @arguments
            if ($LASTEXITCODE -ne 0) { throw 'Pester tests have failed.' }
        }
        'Pack' {
            Invoke-Dotnet build -c $Configuration
            Invoke-Dotnet tool restore
            $signing = @{}
            if ($CertificateFingerprint) { $signing.CertificateFingerprint = $CertificateFingerprint }
            if ($Timestamper) { $signing.Timestamper = $Timestamper }
            & ./tools/packaging/New-Package.ps1 -Destination out/packages -Configuration $Configuration @signing
        }
    }
}
