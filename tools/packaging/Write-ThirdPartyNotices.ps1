<#
.SYNOPSIS
Writes the two THIRD-PARTY-NOTICES.txt: whose libraries the module and the tool natalia bring along, and their licenses.

.DESCRIPTION
Which packages these are, the restored projects say (obj/project.assets.json of src/Natalia.Backup and of src/Natalia.Backup.Host); who made them and under which license, the packages
themselves. A library that comes from no known package, and a package whose license is none of those that lie beside this script and does not lie in the package, end with an error:
somebody has to look at it. Build first.

.PARAMETER Path
Where the module's notices are written. Without it, and without ToolPath, both files of the tree are written.

.PARAMETER ToolPath
Where the tool's notices are written.

.PARAMETER ModuleFolder
The module as it was built.

.PARAMETER ToolFolder
The tool as it was built.

.EXAMPLE
./tools/packaging/Write-ThirdPartyNotices.ps1
#>
param([string] $Path, [string] $ToolPath, [string] $ModuleFolder, [string] $ToolFolder)
$ErrorActionPreference = 'Stop'
$root = [IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..', '..'))
if (-not $Path -and -not $ToolPath) {
    $Path = Join-Path $root 'THIRD-PARTY-NOTICES.txt'
    $ToolPath = Join-Path $root 'src/Natalia.Backup.Host/THIRD-PARTY-NOTICES.txt'
}
if (-not $ModuleFolder) { $ModuleFolder = Join-Path $root 'out/Natalia.Backup' }
if (-not $ToolFolder) { $ToolFolder = Join-Path $root 'out/natalia' }

$known = @{ 'MIT' = 'MIT.txt'; 'Apache-2.0' = 'Apache-2.0.txt'; 'BSD-2-Clause' = 'BSD-2-Clause.txt' }
# Of packages that only give an address, what that address shows; and the file in the package that has the text.
$byAddress = @{ 'https://github.com/dotnet/corefx/blob/master/LICENSE.TXT' = 'MIT' }
$fileByAddress = @{ 'http://go.microsoft.com/fwlink/?LinkId=329770' = 'dotnet_library_license.txt' }

function Write-Notices([string] $Path, [string] $Project, [string] $Folder, [string] $Intro, [hashtable] $Besides) {
    $assets = ConvertFrom-Json -AsHashtable ([IO.File]::ReadAllText((Join-Path $root "$Project/obj/project.assets.json")))
    $folders = @($assets.packageFolders.Keys)
    # Who has which file; several packages may have one of the same name.
    $owners = @{}
    foreach ($target in $assets.targets.Values) {
        foreach ($key in $target.Keys) {
            foreach ($section in 'runtime', 'runtimeTargets', 'native', 'resource', 'contentFiles') {
                foreach ($file in @($target[$key][$section].Keys)) {
                    if (-not $file) { continue }
                    $name = ($file -split '/')[-1].ToLowerInvariant()
                    if (-not $owners[$name]) { $owners[$name] = @{} }
                    $owners[$name][$key] = $assets.libraries[$key].path
                }
            }
        }
    }
    foreach ($name in $Besides.Keys) { $owners[$name.ToLowerInvariant()] = @{ $Besides[$name] = $Besides[$name].ToLowerInvariant() } }
    $packages = @{}
    foreach ($file in Get-ChildItem $Folder -Recurse -File | Where-Object { $_.Name -match '\.(dll|exe|so|dylib)$' -and $_.Name -notmatch '^natalia\b' }) {
        $found = $owners[$file.Name.ToLowerInvariant()]
        if (-not $found) { throw "$($file.FullName) comes from no package that is known here. Find out whose it is, and add it to this script." }
        foreach ($key in $found.Keys) { $packages[$key] = $found[$key] }
    }

    $lines = [Collections.Generic.List[string]]::new()
    $lines.Add($Intro)
    $texts = @{}
    foreach ($key in $packages.Keys | Sort-Object) {
        $package = $folders | ForEach-Object { Join-Path $_ $packages[$key] } | Where-Object { Test-Path $_ } | Select-Object -First 1
        $metadata = ([xml] [IO.File]::ReadAllText((Get-ChildItem $package -Filter *.nuspec)[0].FullName)).package.metadata
        $address = [string] $metadata.licenseUrl
        $license = if ($metadata.license.type -eq 'expression') { $metadata.license.'#text' } else { $byAddress[$address] }
        $inside = if ($metadata.license.type -eq 'file') { $metadata.license.'#text' } else { $fileByAddress[$address] }
        if ($license -and $known[$license]) { $texts["$license License"] = Join-Path $PSScriptRoot $known[$license] }
        elseif ($inside -and (Test-Path (Join-Path $package $inside))) {
            $license = "the license of $($key -replace '/', ' '), below"
            $texts["License of $($key -replace '/', ' ')"] = Join-Path $package $inside
        }
        else { throw "The license of $key is not known here: $($metadata.license.'#text') $address. Look at it, and add it to this script." }
        $lines.Add('')
        $lines.Add(($key -replace '/', ' '))
        $lines.Add("  by $($metadata.authors -replace ',\s*', ', ')")
        # Some begin with the word and the sign, others with one of them.
        if ($metadata.copyright) { $lines.Add("  $(([string] $metadata.copyright).Replace([string] [char] 0xA9, '(c)') -replace '\s+', ' ')") }
        if ($metadata.projectUrl) { $lines.Add("  $($metadata.projectUrl)") }
        $lines.Add("  License: $license")
    }
    # One text under several names is written once.
    $written = @{}
    foreach ($title in $texts.Keys | Sort-Object) {
        $text = [IO.File]::ReadAllText($texts[$title]).Replace("`r`n", "`n").Trim("`n")
        if ($written[$text]) { $written[$text].Add($title) } else { $written[$text] = [Collections.Generic.List[string]] @($title) }
    }
    foreach ($text in $written.Keys | Sort-Object { $written[$_][0] }) {
        $lines.Add('')
        $lines.Add('-' * 100)
        foreach ($title in $written[$text]) { $lines.Add($title) }
        $lines.Add('')
        $lines.Add($text)
    }
    [IO.File]::WriteAllText($Path, ($lines -join "`n").Replace("`r`n", "`n") + "`n")
}

if ($Path) {
    Write-Notices $Path 'src/Natalia.Backup' (Join-Path $ModuleFolder 'bin') 'Natalia.Backup brings along libraries of others. Each is used as its maker published it, under the license that is named.'
}
if ($ToolPath) {
    $project = 'src/Natalia.Backup.Host'
    if ([IO.File]::ReadAllText((Join-Path $root "$project/Natalia.Backup.Host.csproj")) -notmatch '<PackageDownload Include="PowerShell" Version="\[([\d.]+)\]"') { throw 'Which PowerShell the tool takes Start-ThreadJob from is not said in its project.' }
    Write-Notices $ToolPath $project $ToolFolder ("natalia is PowerShell with Natalia.Backup. What the module brings along is named in the notices of its folder, Modules/Natalia.Backup; what PowerShell's makers have used, in`n" +
        'PowerShell-THIRD-PARTY-NOTICES.txt; the libraries of PowerShell and .NET, here. Each is used as its maker published it, under the license that is named.') @{ 'Microsoft.PowerShell.ThreadJob.dll' = "PowerShell/$($Matches[1])" }
}
