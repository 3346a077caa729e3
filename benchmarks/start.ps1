# How long the module takes to be there: its import and its first cmdlet, each time in a new pwsh. Run it in pwsh: benchmarks/start.ps1 [-Module FILE] [-Times N]
param([string] $Module = (Join-Path $PSScriptRoot '../out/Natalia.Backup/Natalia.Backup.psd1'), [int] $Times = 11)
$ErrorActionPreference = 'Stop'
$inner = @'
$watch = [Diagnostics.Stopwatch]::StartNew()
Import-Module 'MODULE'
$import = $watch.Elapsed.TotalMilliseconds
$watch.Restart()
$null = Get-NataliaRepository
$first = $watch.Elapsed.TotalMilliseconds
$folder = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid())
$watch.Restart()
$null = New-NataliaRepository -Path $folder -Unencrypted
$made = $watch.Elapsed.TotalMilliseconds
Remove-Item $folder -Recurse -Force
"$import $first $made"
'@.Replace('MODULE', (Resolve-Path $Module).Path.Replace("'", "''"))
# A PowerShell that is a tool of .NET (dotnet pwsh) is started as one.
$program = (Get-Process -Id $PID).Path
$first = @(if ([IO.Path]::GetFileNameWithoutExtension($program) -eq 'dotnet') { [Environment]::GetCommandLineArgs()[0] })
$runs = foreach ($i in 1..$Times) {
    $numbers = (& $program @first -NoProfile -NonInteractive -Command $inner) -split ' ' | ForEach-Object { [double]::Parse($_, [cultureinfo]::InvariantCulture) }
    [pscustomobject]@{ Import = $numbers[0]; First = $numbers[1]; NewRepository = $numbers[2] }
}
foreach ($what in 'Import', 'First', 'NewRepository') {
    $sorted = @($runs.$what | Sort-Object)
    [pscustomobject]@{ What = $what; BestMs = [math]::Round($sorted[0]); MedianMs = [math]::Round($sorted[$Times -shr 1]); WorstMs = [math]::Round($sorted[-1]) }
}
