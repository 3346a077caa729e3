<#
.SYNOPSIS
One run of a schedule: what the tasks and timers of Register-NataliaSchedule start.
.DESCRIPTION
Connects with a profile, backs up, copies, and applies retention; or tests restores. Everything is tried, whatever fails before.
Every line goes to standard output with its time in UTC, and to the log file where there is a folder for it.
Exit codes: 0 everything was done; 1 something failed; 2 nothing was done; 130 it was stopped (143 where natalia gets SIGTERM).
For Windows PowerShell 5.1 and PowerShell 7.4 or newer. Lists are separated by '|'.
#>
param(
    [Parameter(Mandatory)] [string] $ProfilePath,
    [string] $ScheduleId = 'natalia-backup',
    [ValidateSet('Backup', 'RestoreTest', 'Probe')] [string] $Work = 'Backup',
    [ValidateSet('Daily', 'SixHourly')] [string] $Strategy = 'Daily',
    [ValidatePattern('^([01][0-9]|2[0-3]):[0-5][0-9]$')] [string] $At = '01:00',
    [string] $Appliance,
    [string] $CopyTo,
    [string] $TestBench,
    [string] $LogFolder,
    [string] $SecretScript,
    [string] $ReportFolder
)
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$script:failed = $false
$script:begun = $false
$script:isOver = $false
$script:missing = @()
$script:log = $null
# Lines that are not in the log yet, and how often the next one tries to get them in.
$script:unlogged = ''
$script:attempts = 10

function Write-Line([string] $Text) {
    $line = [DateTime]::UtcNow.ToString('yyyy-MM-dd HH:mm:ss', [Globalization.CultureInfo]::InvariantCulture) + 'Z ' + ($Text -replace '\s*[\r\n]+\s*', ' ')
    [Console]::Out.WriteLine($line)
    if (-not $script:log) { return }
    # The other task of the schedule writes there too, and scanners hold what was just written: that passes.
    # A full disk may not: it must not keep the backup from being made, nor waste its time at every line.
    $script:unlogged += $line + [Environment]::NewLine
    for ($left = $script:attempts; ; $left--) {
        try {
            [IO.File]::AppendAllText($script:log, $script:unlogged)
            $script:unlogged = ''
            $script:attempts = 10
            return
        }
        catch {
            if ($left -le 1) {
                if ($script:attempts -gt 1) { [Console]::Out.WriteLine("The log '$($script:log)' cannot be written now: $($_.Exception.Message)") }
                $script:attempts = 1
                return
            }
        }
        [Threading.Thread]::Sleep(200)
    }
}

function Write-End([string] $Text) {
    $script:isOver = $true
    # The last chance of what is not in the log yet.
    $script:attempts = 10
    Write-Line "Ended: $Text"
}

function Write-Failure([Management.Automation.ErrorRecord] $Failure) {
    $script:failed = $true
    $advice = if ($Failure.ErrorDetails) { $Failure.ErrorDetails.RecommendedAction }
    Write-Line "ERROR $(@($Failure.FullyQualifiedErrorId -split ',')[0]): $("$($Failure.Exception.Message) $advice".TrimEnd())"
}

# Errors of a cmdlet come after its work is done; none of them ends the run.
function Invoke-Step([string] $What, [scriptblock] $Do, [string] $Tolerate) {
    Write-Line $What
    $script:begun = $true
    $ErrorActionPreference = 'Continue'
    try {
        & $Do 2>&1 3>&1 | ForEach-Object {
            if ($_ -is [Management.Automation.ErrorRecord]) {
                if ($Tolerate -and $_.FullyQualifiedErrorId -like "$Tolerate,*") { Write-Line "WARNING $($_.Exception.Message)" } else { Write-Failure $_ }
            }
            elseif ($_ -is [Management.Automation.WarningRecord]) { Write-Line "WARNING $($_.Message)" }
            elseif ($_.PSObject.Properties['StoredBytes'] -and $_.PSObject.Properties['Consistency']) { Write-Line "  $($_): $($_.Type), $($_.Consistency), $($_.ReadBytes) bytes read, $($_.StoredBytes) stored" }
            else { Write-Line "  $_" }
        }
    }
    catch { Write-Failure $_ }
}

# Those that -Appliance names; a name that is there word for word is no pattern, and a bracket that is not closed makes none.
# What can mean one appliance only and fits none is noted as missing: somebody relies on its backup.
function Select-Named([object[]] $Enrolled) {
    $script:missing = @()
    if (-not $Appliance) { return $Enrolled }
    $named = @(foreach ($name in $Appliance.Split('|')) {
        $fits = @($Enrolled | Where-Object { $_.ApplianceId -eq $name -or $_.SuccessorId -eq $name -or $_.Name -eq $name })
        if (-not $fits) { try { $fits = @($Enrolled | Where-Object { $_.Name -like $name }) } catch { $fits = @() } }
        if (-not $fits -and ($name -replace '`.') -notmatch '[*?]') { $script:missing += $name }
        $fits
    })
    $Enrolled | Where-Object { $one = $_; @($named | Where-Object { [object]::ReferenceEquals($_, $one) }).Count -gt 0 }
}

# The full of the day that is due since $At: when that run was missed or failed, the next one makes up for it.
function Test-FullDue($Enrolled) {
    if ($Strategy -eq 'Daily') { return $true }
    $hour, $minute = $At.Split(':')
    $now = Get-Date
    $due = $now.Date.AddHours([int] $hour).AddMinutes([int] $minute)
    if ($now -lt $due) { $due = $due.AddDays(-1) }
    try {
        $fulls = Get-NataliaRestorePoint -ApplianceId $Enrolled.ApplianceId -Repository $Enrolled.Repository -After $due.ToUniversalTime() -WarningAction SilentlyContinue |
            Where-Object { "$($_.Type)" -eq 'Full' -and $_.IsReadable -and -not $_.IsInFuture }
        -not $fulls
    }
    catch { $true }
}

# What does not answer, such as one host of a cluster, is told, and keeps nothing else from being backed up.
function Get-Enrolled {
    $found = @(Select-Named @(Get-NataliaAppliance -WarningAction SilentlyContinue -ErrorAction SilentlyContinue -ErrorVariable untold))
    if (-not $found -and $untold) { throw $untold[0] }
    foreach ($failure in $untold) { Write-Failure $failure }
    if ($found) {
        foreach ($name in $script:missing) {
            $why = if ($connected.NotConnected -or $untold) { "No enrolled appliance that can be found now is called '$name': nothing was done for it. It may be enrolled where nothing answers." }
            else { "No enrolled appliance is called '$name': nothing was done for it. Enrol it, or register the schedule with the name that it has now." }
            Write-Failure ([Management.Automation.ErrorRecord]::new([InvalidOperationException]::new($why), 'ApplianceNotFound', 'ObjectNotFound', $name))
        }
    }
    $found
}

function Invoke-Backup {
    $appliances = Get-Enrolled
    if (-not $appliances) { throw "No enrolled appliance fits '$Appliance'." }
    $full = @(); $rest = @()
    foreach ($one in $appliances) { if (Test-FullDue $one) { $full += $one } else { $rest += $one } }
    if ($full) { Invoke-Step "Full backup: $(($full | ForEach-Object { $_.Name }) -join ', ')" { $full | Invoke-NataliaBackup -Type Full -Confirm:$false } }
    if ($rest) { Invoke-Step "Incremental backup: $(($rest | ForEach-Object { $_.Name }) -join ', ')" { $rest | Invoke-NataliaBackup -Type Auto -Confirm:$false } }

    $sources = @($appliances | ForEach-Object { $_.Repository } | Select-Object -Unique)
    $destinations = @(if ($CopyTo) { $CopyTo.Split('|') })
    $held = @()
    # A storage that keeps points of its hypervisor's own has nothing that can be copied.
    $native = @(Get-NataliaRepository -ErrorAction SilentlyContinue | Where-Object { $_.RepositoryKind -ne 'Natalia' } | ForEach-Object { $_.Name })
    if ($destinations) { foreach ($source in @($sources | Where-Object { $native -contains $_ })) { Write-Line "Points in '$source' are not copied: they are the storage's own, and a sync job of its backup server gives them a second place." } }
    foreach ($destination in $destinations) {
        foreach ($source in @($sources | Where-Object { $_ -ne $destination -and $native -notcontains $_ })) {
            $before = $script:failed
            $script:failed = $false
            Invoke-Step "Copy from '$source' to '$destination'" {
                $ids = @($appliances | Where-Object { $_.Repository -eq $source } | ForEach-Object { $_.ApplianceId })
                Get-NataliaRestorePoint -Repository $source | Where-Object { $ids -contains $_.ApplianceId } |
                    Copy-NataliaRestorePoint -Destination $destination -Confirm:$false
            }
            if ($script:failed) { $held += $source }
            $script:failed = $script:failed -or $before
        }
    }

    # What is removed before it was copied has no second place, and never gets one.
    foreach ($source in @($held | Select-Object -Unique)) { Write-Line "WARNING Retention in '$source' is left out: not every point was copied from it. Nothing is removed there until a run copies them all." }
    $copied = @($appliances | Where-Object { $held -notcontains $_.Repository })
    if ($copied) { Invoke-Step 'Retention' { $copied | Invoke-NataliaRetention -Confirm:$false } 'RetentionPolicyMissing' }
    foreach ($destination in @($destinations | Where-Object { $held -notcontains $_ })) {
        Invoke-Step "Retention in '$destination'" { Invoke-NataliaRetention -Repository $destination -Confirm:$false } 'RetentionPolicyMissing'
    }
    # Space of removed points comes back once a day; it needs no more.
    if ($full) {
        foreach ($repository in @(@($sources) + $destinations | Select-Object -Unique)) {
            # Those that are away were told when the run began.
            $session = @(Get-NataliaRepository -ErrorAction SilentlyContinue | Where-Object { $_.Name -eq $repository })
            if ($session -and $session[0].RepositoryKind -eq 'Natalia') { Invoke-Step "Optimize '$repository'" { Optimize-NataliaRepository -Repository $repository -Confirm:$false } }
        }
    }
}

function Invoke-RestoreTest {
    $appliances = Get-Enrolled
    if (-not $appliances) { throw "No enrolled appliance fits '$Appliance'." }
    $bench = @{}
    if ($TestBench) { $bench.TestBench = $TestBench }
    if ($script:resolver) { $bench.SecretResolver = $script:resolver }
    # One by one: a machine that runs a test VM has no room for two.
    foreach ($one in $appliances) {
        Invoke-Step "Restore test: $($one.Name)" { $one | Test-NataliaRestore @bench -ThrottleLimit 1 -Confirm:$false }
    }
}

function Write-Probe {
    $report = [ordered] @{
        account = [Environment]::UserDomainName + '\' + [Environment]::UserName; machine = [Environment]::MachineName
        powerShell = "$($PSVersionTable.PSVersion)"; connected = @(); notConnected = @(); warnings = @(); appliances = 0; missing = @(); error = $null
    }
    $code = 0
    try {
        $connect = @{ Path = $ProfilePath; WarningVariable = 'warned'; WarningAction = 'SilentlyContinue' }
        if ($script:resolver) { $connect.SecretResolver = $script:resolver }
        $found = Import-NataliaProfile @connect
        $report.notConnected = @($found.NotConnected)
        $report.warnings = @($warned | ForEach-Object { "$_" })
        $report.connected = @(Get-NataliaHypervisor -ErrorAction Ignore | ForEach-Object { $_.Name }) + @(Get-NataliaRepository -ErrorAction Ignore | ForEach-Object { $_.Name })
        if ($report.notConnected) { $code = 1 }
        $report.appliances = @(Select-Named @(Get-NataliaAppliance -WarningAction SilentlyContinue)).Count
        $report.missing = @($script:missing)
        if ($report.missing) { $code = 1 }
    }
    catch { $report.error = $_.Exception.Message; $code = 2 }
    $line = 'natalia-probe ' + ([pscustomobject] $report | ConvertTo-Json -Compress -Depth 3)
    [Console]::Out.WriteLine($line)
    if ($ReportFolder) { [IO.File]::WriteAllText([IO.Path]::Combine($ReportFolder, 'probe.json'), $line) }
    $code
}

if ($LogFolder -and $Work -ne 'Probe') {
    try {
        $null = [IO.Directory]::CreateDirectory($LogFolder)
        $script:log = [IO.Path]::Combine($LogFolder, "$ScheduleId-$([DateTime]::UtcNow.ToString('yyyy-MM', [Globalization.CultureInfo]::InvariantCulture)).log")
        foreach ($old in [IO.Directory]::GetFiles($LogFolder, "$ScheduleId-????-??.log")) {
            if ([IO.File]::GetLastWriteTimeUtc($old) -lt [DateTime]::UtcNow.AddMonths(-14)) { [IO.File]::Delete($old) }
        }
    }
    catch { [Console]::Out.WriteLine("No log is written to '$LogFolder': $($_.Exception.Message)"); $script:log = $null }
}
try {
    Import-Module -Name ([IO.Path]::Combine($PSScriptRoot, 'Natalia.Backup.psd1'))
    $script:resolver = $null
    if ($SecretScript) {
        if (-not [IO.File]::Exists($SecretScript)) { throw "There is no secret script '$SecretScript'." }
        # PowerShell takes curly quotes for straight ones.
        $script:resolver = [scriptblock]::Create('& ''' + ($SecretScript -replace '[''\u2018-\u201b]', '$0$0') + ''' $args[0]')
    }
    if ($Work -eq 'Probe') {
        $code = Write-Probe
        $script:isOver = $true
        exit $code
    }
    Write-Line "$Work of schedule '$ScheduleId' begins, as $([Environment]::UserName) on $([Environment]::MachineName)."
    $connect = @{ Path = $ProfilePath; WarningVariable = 'warned'; WarningAction = 'SilentlyContinue' }
    if ($script:resolver) { $connect.SecretResolver = $script:resolver }
    $connected = Import-NataliaProfile @connect
    foreach ($warning in $warned) { Write-Line "WARNING $warning" }
    # What is away fails where it is needed, and is told again there; a run without it is never a whole one.
    if ($connected.NotConnected) { $script:failed = $true }
    if ($Work -eq 'RestoreTest') { Invoke-RestoreTest } else { Invoke-Backup }
    if ($script:failed) { Write-End 'something failed (1).'; exit 1 }
    Write-End 'everything was done (0).'
    exit 0
}
catch {
    Write-Failure $_
    if ($script:begun) { Write-End 'something failed (1).'; exit 1 }
    Write-End 'nothing was done (2).'
    exit 2
}
finally {
    # Only who is stopped comes here without an end. What was running has cleaned up by now.
    if (-not $script:isOver) {
        if ($Work -ne 'Probe') { Write-End 'it was stopped before everything was done.' }
        # PowerShell's console would say 0, and systemd would take that for a success; natalia has a code of its own,
        # and a session in which somebody types goes on.
        $words = [Environment]::GetCommandLineArgs()
        if ($words -contains '-File' -and [IO.Path]::GetFileNameWithoutExtension($words[0]) -ne 'natalia') { [Environment]::Exit(130) }
    }
}
