<#
.SYNOPSIS
Runs the Pester files against the laid out module, and ends with exit code 1 when one fails.
#>
param(
    # Written for .ci/run: how many passed, failed and were skipped.
    [string] $CountFile,

    # Where Pester lies, when it is not installed as a module.
    [string] $Pester = 'Pester'
)
$ErrorActionPreference = 'Stop'
Import-Module -Name $Pester
$configuration = New-PesterConfiguration
$configuration.Run.Path = $PSScriptRoot
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'Normal'
$configuration.Output.RenderMode = 'Plaintext'
$result = Invoke-Pester -Configuration $configuration
$failed = $result.FailedCount + $result.FailedBlocksCount + $result.FailedContainersCount
if ($CountFile) { [IO.File]::WriteAllText($CountFile, "$($result.PassedCount) $failed $($result.SkippedCount + $result.NotRunCount)`n") }
exit [int]($failed -gt 0)
