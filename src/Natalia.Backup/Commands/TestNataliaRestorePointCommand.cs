using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Operations.Text;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Proves that restore points can be restored, by reading all they need.</summary>
/// <remarks>
/// <para>Everything that a point needs is read, decrypted, decompressed and compared with its SHA-256: block map,
/// blocks, configuration. No restore point is changed. The audit log keeps what came of it: a record point-verified of
/// a point that is whole, and damage-found of one that is not, so that nobody takes it for a good one and the next
/// backup stores again what was lost.</para>
/// <para>With -Quiet one Boolean comes for all points together, which an if understands; a list of Booleans it would
/// always take for true. One result comes for each point otherwise. A damaged point writes its result first; the error
/// RestorePointDamaged follows when the last point has been read, so that even -ErrorAction Stop tests the rest.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint -Latest | Test-NataliaRestorePoint</code>
/// <para>Proves the newest point of every appliance.</para>
/// </example>
/// <example>
/// <code>$points = Get-NataliaRestorePoint -Appliance natalia-paris
/// if (-not ($points | Test-NataliaRestorePoint -Quiet)) { throw 'There is a damaged restore point.' }</code>
/// <para>A runbook that fails when any point of an appliance is damaged, or when there is none.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "NataliaRestorePoint")]
[OutputType(typeof(CheckResult), typeof(bool))]
public sealed class TestNataliaRestorePointCommand : RestorePointCommand
{
    /// <summary>The one check of a point whose data was read here.</summary>
    private const string PointCheck = "RestorePoint";

    private readonly Verdict _verdict = new();

    /// <summary>
    /// Write one True or False for all points together instead of the results, and no error for a damaged one. True
    /// means that points were tested and each is whole; without any point it is False.
    /// </summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>
    /// For points in a storage that verifies by itself: how many days old the verification may be before that is a
    /// warning. 1 to 3650, 30 by default.
    /// </summary>
    [Parameter]
    [ValidateRange(1, 3650)]
    public int MaximumVerificationAgeDays { get; set; } = 30;

    private protected override string MissedWithoutInput => "no restore point was tested";

    private protected override bool OpensPoints => true;

    private protected override async Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        IReadOnlyList<CheckResult> checks;
        using (ProgressReporter progress = StartProgress($"Testing {PointTitle.Of(point.Point)}"))
            checks = await point.VerifyAsync(Evidence.Over(point.Repository),
                TimeSpan.FromDays(MaximumVerificationAgeDays), progress, cancellationToken).ConfigureAwait(false);
        if (Quiet)
        {
            _verdict.Add(IsProven(checks));
            return;
        }
        foreach (CheckResult check in checks)
            Emit(check with
            {
                ApplianceId = point.Point.ApplianceId,
                ApplianceName = point.Point.ApplianceName,
                Repository = point.Repository.Name,
                RepositoryId = point.Repository.Session.RepositoryId,
            });
        foreach (CheckResult failed in checks.Where(c => c.Result == CheckOutcome.Failed))
            DeferError(Damaged(point.Point, failed), point.Point);
    }

    /// <summary>
    /// Nothing known, from a storage that verifies by itself or of a point in an archive class, is no success.
    /// </summary>
    private static bool IsProven(IReadOnlyList<CheckResult> checks) =>
        checks
            .Any(c => c.Name is PointCheck or "Verification" && c.Result is CheckOutcome.Passed or CheckOutcome.Warning)
        && checks.All(c => c.Result != CheckOutcome.Failed);

    private static NataliaException Damaged(RestorePoint point, CheckResult failed) => failed.Name == PointCheck
        ? new NataliaException(ErrorIds.RestorePointDamaged, NataliaErrorKind.InvalidData,
            $"The restore point {point} ({point.RestorePointId}) is damaged. {failed.Detail}".TrimEnd(),
            point.RestorePointId,
            "Restore another point. A new full backup stores again what is damaged, as far as the disk still has it.")
        : new NataliaException(failed.ErrorId ?? ErrorIds.RestorePointDamaged, NataliaErrorKind.InvalidData,
            ($"The restore point {point} ({point.RestorePointId}) failed the check '{failed.Name}'. "
                + failed.Detail).TrimEnd(),
            point.RestorePointId);

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        if (Quiet) Emit(_verdict.IsGood && !HasErrors);
        return Task.CompletedTask;
    }

    private protected override void Report(Exception exception, object target) => DeferError(exception, target);
}
