<#
.SYNOPSIS
Makes docs/images/terminal.svg again: a session at a prompt, really run, as an animated picture.

.DESCRIPTION
Every command is run in this PowerShell (7.4 or newer, in a terminal of 120 columns: tools/terminal-picture.sh sees to that) against a small site in a temporary folder, and what it printed is drawn. Build first. Nothing is drawn that was not printed.

.EXAMPLE
tools/terminal-picture.sh
#>
param([string] $Path, [int] $Width = 120)
$ErrorActionPreference = 'Stop'
$root = [IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..'))
if (-not $Path) { $Path = Join-Path $root 'docs/images/terminal.svg' }
Import-Module (Join-Path $root 'out/Natalia.Backup/Natalia.Backup.psd1')

$site = Join-Path ([IO.Path]::GetTempPath()) natalia
if (Test-Path $site) { throw "$site is in the way." }
$vm = New-Item -ItemType Directory -Path "$site/exports/natalia-paris"
$random = [Random]::new(1)
$disk = [IO.File]::Create("$vm/data.raw")
$disk.SetLength(4GB)
$part = [byte[]]::new(1MB)
foreach ($i in 0..95) { $random.NextBytes($part); [Array]::Clear($part, 0, 512KB); $disk.Position = $i * 32MB; $disk.Write($part) }
$disk.Dispose()
$password = [Net.NetworkCredential]::new('', 'correct horse battery staple').SecurePassword
$PSDefaultParameterValues = @{ 'New-NataliaRepository:Password' = $password }
$PSStyle.OutputRendering = 'Ansi'
$commands = @(
    'Connect-NataliaHypervisor -Folder ./exports'
    'New-NataliaRepository -Path ./nas -Name nas'
    'Get-NataliaAppliance -Name * | Invoke-NataliaBackup'
    'Get-NataliaRestorePoint | Test-NataliaRestorePoint'
    'Set-NataliaRetention -Daily 7 -Weekly 4 -Monthly 3'
    'Get-NataliaRetentionPlan'
    'Measure-NataliaRecovery'
)
$blocks = try {
    Push-Location $site
    foreach ($command in $commands) {
        $lines = Invoke-Expression $command 3>&1 | Out-String -Stream -Width $Width
        [pscustomobject]@{ Command = $command; Lines = @($lines | ForEach-Object { $_.TrimEnd() }) }
    }
}
finally {
    Pop-Location
    Disconnect-NataliaRepository * -ErrorAction Ignore
    Disconnect-NataliaHypervisor * -ErrorAction Ignore
    Remove-Item -Recurse -Force -LiteralPath $site
}

$colors = @{ 30 = '#484f58'; 31 = '#ff7b72'; 32 = '#7ee787'; 33 = '#e3b341'; 34 = '#79c0ff'; 35 = '#d2a8ff'; 36 = '#56d4dd'; 37 = '#c9d1d9'; 90 = '#8b949e'; 91 = '#ffa198'; 92 = '#7ee787'; 93 = '#f2cc60'; 94 = '#a5d6ff'; 95 = '#d2a8ff'; 96 = '#76e3ea'; 97 = '#f0f6fc' }
$escape = [char] 27
function Format-Line([string] $Line) {
    $color = $null; $bold = $false; $out = [Text.StringBuilder]::new()
    foreach ($piece in [regex]::Split($Line, "($escape\[[0-9;]*m)")) {
        if ($piece -match "^$escape\[([0-9;]*)m$") {
            foreach ($code in $Matches[1] -split ';') {
                $number = if ($code) { [int] $code } else { 0 }
                if ($number -eq 0) { $color = $null; $bold = $false } elseif ($number -eq 1) { $bold = $true } elseif ($colors[$number]) { $color = $colors[$number] }
            }
        }
        elseif ($piece) {
            $look = ''
            if ($color) { $look += ' fill="' + $color + '"' }
            if ($bold) { $look += ' font-weight="bold"' }
            $null = $out.Append("<tspan$look>$([Security.SecurityElement]::Escape($piece))</tspan>")
        }
    }
    $out.ToString()
}

$x = 16; $y = 30; $step = 18; $at = 0.4
$text = [Text.StringBuilder]::new()
function Add-Line([string] $Content, [double] $Start) {
    $null = $script:text.AppendLine("<text x=`"$x`" y=`"$script:y`" style=`"animation-delay:$($Start.ToString('0.00', [cultureinfo]::InvariantCulture))s`">$Content</text>")
    $script:y += $step
}
foreach ($block in $blocks) {
    Add-Line "<tspan fill=`"#8b949e`">PS&gt; </tspan><tspan fill=`"#f0f6fc`">$([Security.SecurityElement]::Escape($block.Command))</tspan>" $at
    $at += 0.9
    # Empty lines of tables stay, but not more than one in a row.
    $before = $null
    foreach ($line in $block.Lines) {
        if (-not $line -and -not $before -and $null -ne $before) { continue }
        Add-Line (Format-Line $line) $at
        $before = $line
    }
    $at += 1.6
}
$w = [int] ($Width * 8.43 + 2 * $x); $h = $y + 4
$svg = @"
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $w $h" width="$w" height="$h" role="img" aria-label="A session at a prompt: connecting, a first backup, its verification, the retention plan and what is measured">
<style>
text { font: 14px ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #c9d1d9; white-space: pre; opacity: 0; animation: shown 0.1s forwards }
@keyframes shown { to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { text { opacity: 1; animation: none } }
@media print { text { opacity: 1; animation: none } }
</style>
<rect width="$w" height="$h" rx="8" fill="#0d1117"/>
$text</svg>
"@
[IO.File]::WriteAllText($Path, $svg.Replace("`r`n", "`n"))
Get-Item $Path
