# natalia benchmarks/measure.ps1 FOLDER [DAYS] [FORMAT]
# Measures recovery of every appliance of a repository that `fleet` made, and writes the report of it, in a fresh session:
# how long each takes, by the clock and by the processor, and the largest working set of the process until then. The
# report measures anew: its line alone is what "measured and reported" takes, but for what the first line has compiled.
# -ReportOnly leaves the first line out. Run it twice: the first run also reads the disk.
param([Parameter(Mandatory)] [string] $Folder, [int] $Days = 92, [string] $Format = 'Html', [switch] $ReportOnly)
$ErrorActionPreference = 'Stop'
$null = Connect-NataliaRepository -Path $Folder -Name fleet -Unencrypted
$report = Join-Path ([IO.Path]::GetTempPath()) "fleet-$PID.report"
function Watch([string] $What, [scriptblock] $Do) {
    $before = [System.Diagnostics.Process]::GetCurrentProcess().TotalProcessorTime
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    $told = & $Do
    $seconds = $watch.Elapsed.TotalSeconds
    $process = [System.Diagnostics.Process]::GetCurrentProcess()
    '{0}: {1}; {2:0.0} s, {3:0.0} s of processor time; peak working set {4:0} MiB' -f $What, $told, $seconds,
        ($process.TotalProcessorTime - $before).TotalSeconds, ($process.PeakWorkingSet64 / 1MB)
}
try {
    if (-not $ReportOnly) {
        Watch "Measure-NataliaRecovery, $Days days" {
            $rows = Measure-NataliaRecovery -PeriodDays $Days -WarningAction SilentlyContinue
            $verdicts = ($rows | Group-Object Verdict -NoElement | ForEach-Object { "$($_.Name) $($_.Count)" }) -join ', '
            "$(@($rows.ApplianceId | Sort-Object -Unique).Count) appliances, $($rows.Count) rows ($verdicts)"
        }
    }
    Watch "Export-NataliaReport, $Format, $Days days" {
        $file = Export-NataliaReport $report -Format $Format -PeriodDays $Days -WarningAction SilentlyContinue
        '{0} appliances, {1:0.0} MiB' -f $file.ApplianceCount, ($file.SizeBytes / 1MB)
    }
}
finally { Remove-Item -LiteralPath $report -ErrorAction Ignore }
