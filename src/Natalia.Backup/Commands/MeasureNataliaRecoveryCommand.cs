using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Measures what was attained of RPO, RTO and the other objectives, by evidence.</summary>
/// <remarks>
/// <para>One row for each objective of each appliance that is enrolled or has restore points: Rpo, Rto, RestoreTestAge,
/// Coverage, OffHost, Immutability, VerificationAge, Schedule. Met and Missed rest on records, which the row names;
/// where there are too few of them the verdict is NotEvidenced, which is no success. Reason says why. An appliance
/// whose enrolment ended is measured only where it is named.</para>
/// <para>The targets follow from the strategy that Set-NataliaAppliance was given; without one the appliance is
/// measured as Daily. Attained is the worst of the period, Typical the median, Now what is now.</para>
/// <para>The points of a period are read from the signed audit log, those that are gone included; damaged and missing
/// ones do not count. Rto rests on restore tests that passed on the appliance's own kind of hypervisor, scaled to
/// today's disk. docs/evidence.md in the module's folder tells how each objective is measured.</para>
/// <para>Nothing is changed, and no restore point is read. With several repositories the evidence of all of them
/// counts; -Repository measures some of them alone, such as the copies in another place.</para>
/// </remarks>
/// <example>
/// <code>Measure-NataliaRecovery | Where-Object Verdict -ne Met</code>
/// <para>Shows what is not attained, or not proved, of all appliances.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance natalia-paris | Measure-NataliaRecovery -PeriodDays 365 -Objective Rpo, Rto | Format-List</code>
/// <para>Measures a year of one appliance.</para>
/// </example>
/// <example>
/// <code>if (-not (Measure-NataliaRecovery -Objective Schedule -PeriodDays 2 -Quiet)) { exit 2 }</code>
/// <para>The heartbeat, for monitoring: exit code 2 when a backup that should have run in the last two days did not,
/// also when the task for it never started.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Measure, "NataliaRecovery", DefaultParameterSetName = PeriodSet)]
[OutputType(typeof(RecoveryMeasurement), typeof(bool))]
public sealed class MeasureNataliaRecoveryCommand : EvidenceCommand
{
    private const string PeriodSet = "Period";
    private const string AfterSet = "After";

    private readonly Verdict _verdict = new();

    /// <summary>
    /// The appliance: an object of Get-NataliaAppliance, its name, or a wildcard. Left out, every appliance of the
    /// repositories is measured.
    /// </summary>
    [Parameter(Position = 0)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>The appliance's id. Bound from appliances and restore points that are piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>Where the period begins; it ends now. A time without a zone is local time.</summary>
    [Parameter(Mandatory = true, ParameterSetName = AfterSet)]
    [Alias("Since")]
    public DateTime After { get; set; }

    /// <summary>How many days the period has; it ends now. 92, a quarter, by default.</summary>
    [Parameter(ParameterSetName = PeriodSet)]
    [Alias("Period")]
    [ValidateRange(1, 36500)]
    public int PeriodDays { get; set; } = EvidenceWishes.DefaultDays;

    /// <summary>Only these objectives.</summary>
    [Parameter]
    public RecoveryObjective[]? Objective { get; set; }

    /// <summary>
    /// Write only one True or False, for everything together: True when something was measured, all of it is Met, and
    /// everything could be read.
    /// </summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override string MissedWithoutInput => "nothing was measured";

    private protected override bool TryCollect()
    {
        Collect(ApplianceId);
        return true;
    }

    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        if (HasErrors && !HasCollected && MyInvocation.ExpectingInput)
        {
            if (Quiet) Emit(false);
            return;
        }
        EvidenceWishes wishes = Wishes(Appliance, ParameterSetName == AfterSet
            ? After.ToUniversalTime()
            : TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(-PeriodDays));
        List<RecoveryMeasurement> rows = [];
        bool isWhole = true;
        using (ProgressReporter progress = StartProgress("Measuring recovery"))
        {
            await foreach (ApplianceEvidence evidence in new EvidenceCollector(Registry, TimeProvider.System,
                DeferError, EmitWarning, progress).CollectAsync(wishes, cancellationToken).ConfigureAwait(false))
            {
                isWhole &= evidence.Troubles.Count == 0;
                rows.AddRange(evidence.Measurements.Where(m => Objective is null || Objective.Contains(m.Objective)));
            }
        }
        if (!Quiet)
        {
            EmitAll([.. rows.OrderBy(r => r.ApplianceName, StringComparer.OrdinalIgnoreCase)
                .ThenBy(r => r.ApplianceId, StringComparer.Ordinal).ThenBy(r => r.Objective)]);
            return;
        }
        foreach (RecoveryMeasurement row in rows) _verdict.Add(row.Verdict == RecoveryVerdict.Met);
        Emit(_verdict.IsGood && isWhole && !HasErrors);
    }
}
