<#
.SYNOPSIS
Writes THIRD-PARTY-NOTICES.txt: whose libraries the module brings along, and their licenses.

.DESCRIPTION
Which packages these are, the restored projects say (obj/project.assets.json of src/Natalia.Backup); who made them and under which license, the packages themselves. A package
whose license is neither MIT, nor Apache-2.0, nor in the package ends with an error: somebody has to look at it. Build first.

.EXAMPLE
./tools/packaging/Write-ThirdPartyNotices.ps1
#>
param([string] $Path)
$ErrorActionPreference = 'Stop'
$root = [IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..', '..'))
if (-not $Path) { $Path = Join-Path $root 'THIRD-PARTY-NOTICES.txt' }

$assets = ConvertFrom-Json -AsHashtable ([IO.File]::ReadAllText((Join-Path $root 'src/Natalia.Backup/obj/project.assets.json')))
$folders = @($assets.packageFolders.Keys)
$shipped = Get-ChildItem (Join-Path $root 'out/Natalia.Backup/bin') -Recurse -Filter *.dll | ForEach-Object Name | Where-Object { $_ -notlike 'Natalia.*' } | Sort-Object -Unique
$packages = @{}
foreach ($target in $assets.targets.Values) {
    foreach ($key in $target.Keys) {
        foreach ($file in @($target[$key].runtime.Keys)) {
            if ($file -and ($file -split '/')[-1] -in $shipped) { $packages[$key] = $assets.libraries[$key].path }
        }
    }
}
$known = @{ 'MIT' = 'MIT.txt'; 'Apache-2.0' = 'Apache-2.0.txt' }
# Of packages that only give an address, what that address shows.
$byAddress = @{ 'https://github.com/dotnet/corefx/blob/master/LICENSE.TXT' = 'MIT' }
$lines = [Collections.Generic.List[string]]::new()
$lines.Add('Natalia.Backup brings along libraries of others. Each is used as its maker published it, under the license that is named.')
$used = @{}
foreach ($key in $packages.Keys | Sort-Object) {
    $folder = $folders | ForEach-Object { Join-Path $_ $packages[$key] } | Where-Object { Test-Path $_ } | Select-Object -First 1
    $metadata = ([xml] [IO.File]::ReadAllText((Get-ChildItem $folder -Filter *.nuspec)[0].FullName)).package.metadata
    $license = if ($metadata.license.type -eq 'expression') { $metadata.license.'#text' } elseif ($metadata.licenseUrl) { $byAddress[[string] $metadata.licenseUrl] }
    if (-not $license -or -not $known[$license]) { throw "The license of $key is not known here: $($metadata.license.'#text') $($metadata.licenseUrl). Look at it, and add it to this script." }
    $used[$license] = $true
    $lines.Add('')
    $lines.Add(($key -replace '/', ' '))
    $lines.Add("  by $($metadata.authors -replace ',\s*', ', ')")
    # Some begin with the word and the sign, others with one of them.
    if ($metadata.copyright) { $lines.Add("  $(([string] $metadata.copyright).Replace([string] [char] 0xA9, '(c)') -replace '\s+', ' ')") }
    if ($metadata.projectUrl) { $lines.Add("  $($metadata.projectUrl)") }
    $lines.Add("  License: $license")
}
foreach ($license in $used.Keys | Sort-Object) {
    $lines.Add('')
    $lines.Add('-' * 100)
    $lines.Add("$license License")
    $lines.Add('')
    $lines.Add([IO.File]::ReadAllText((Join-Path $PSScriptRoot $known[$license])).Trim("`r", "`n"))
}
[IO.File]::WriteAllText($Path, ($lines -join "`n").Replace("`r`n", "`n") + "`n")
