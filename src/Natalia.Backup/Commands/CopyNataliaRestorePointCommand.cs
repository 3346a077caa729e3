using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Operations.Text;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Copies restore points to another repository, each point once.</summary>
/// <remarks>
/// <para>For a second place: another building, a bucket with Object Lock. Run it every night on all points: only those
/// are copied that the destination has not got, and of them only what changed since the point before. Nothing is
/// decompressed or compressed again; each segment is opened with the source's key, which proves that it is whole, and
/// sealed with the destination's. The two repositories have passwords of their own.</para>
/// <para>A copy is a restore point like any other. It has an id of its own and says under OriginalRestorePointId which
/// point it is a copy of; time, type, consistency, VM configuration and protection are the original's. Retention and
/// locks are the destination's. A point that was removed there is not copied again unless -Force is said, so that both
/// sides may keep points for different times.</para>
/// <para>Points are copied in the order of their age. A copy that was stopped or killed is gone on with the next time;
/// a half copy is never listed. Backups into the source go on beside a copy; backups of the same appliance into the
/// destination are refused until its last point is copied.</para>
/// <para>A point whose copy was found damaged in the destination is copied once more, with a warning; the damaged one
/// stays there until it is removed. So is one that a repair gave up there because it was lost: to bring lost points
/// back, copy them back.</para>
/// <para>A damaged point is not copied, and the error RestorePointDamaged names it; the others are copied all the same.
/// Errors are written when the last point was tried.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint -Destination offsite</code>
/// <para>Every night: copies what is new on the NAS into the repository 'offsite'.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $null = Import-NataliaProfile C:\ProgramData\natalia.json
/// Get-NataliaRestorePoint -Repository nas -Appliance natalia-paris -Latest | Copy-NataliaRestorePoint offsite | Test-NataliaRestorePoint</code>
/// <para>Copies the newest point of an appliance and reads all of the copy, to prove that it can be restored.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint offsite -WhatIf</code>
/// <para>Shows which points the destination has not got.</para>
/// </example>
[Cmdlet(VerbsCommon.Copy, "NataliaRestorePoint", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(PointCopy))]
public sealed class CopyNataliaRestorePointCommand : RestorePointCommand
{
    private readonly List<LocatedPoint> _points = [];
    private RepositoryConnection? _destination;
    private int _own;

    /// <summary>
    /// The restore point: its id, or at least four digits of its beginning when no other id begins so. Bound from
    /// restore points that are piped in, live or from a job.
    /// </summary>
    // Not by position, unlike elsewhere: in a pipeline the destination is the one thing left to type.
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [RestorePointReference]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RestorePointCompleter))]
    public override string[] RestorePointId { get; set; } = [];

    /// <summary>Where to: the session that <c>Connect-NataliaRepository</c> returned, or its name.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [RepositoryReference]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string Destination { get; set; } = "";

    /// <summary>Copy points again that were removed from the destination.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private RepositoryConnection To => _destination ??= Registry.Repositories.Get(Destination);

    private protected override string MissedWithoutInput => "no restore point was copied";

    private protected override Task BeginAsync(CancellationToken cancellationToken)
    {
        _ = To.Repository;
        if (Repository is { Length: > 0 } named && Registry.Repositories.Get(named).Identity == To.Identity)
            throw OntoItself();
        return Task.CompletedTask;
    }

    /// <summary>Points that lie in the destination itself came along because it is connected, too.</summary>
    private protected override IEnumerable<LocatedPoint> Choose(IReadOnlyList<LocatedPoint> copies)
    {
        LocatedPoint? point = copies.FirstOrDefault(c => c.Repository.Identity != To.Identity);
        if (point is not null) return [point];
        _own++;
        EmitVerbose($"{copies[0].Point} lies in the destination '{To.Name}' itself.");
        return [];
    }

    private protected override Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        _points.Add(point);
        return Task.CompletedTask;
    }

    private protected override void Report(Exception exception, object target) => DeferError(exception, target);

    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        if (_points.Count == 0 && _own > 0) throw OntoItself();
        foreach (IGrouping<RepositoryConnection, LocatedPoint> source in _points.GroupBy(p => p.Repository))
        {
            PointCopier copier;
            try
            {
                copier = new PointCopier(source.Key.Repository, To.Repository, trouble => EmitWarning(trouble.Message));
            }
            catch (NataliaException e)
            {
                DeferError(e, source.Key.Session);
                continue;
            }
            if (source.Key.Repository.IsEncrypted && !To.Repository.IsEncrypted)
                EmitWarning($"The repository '{source.Key.Name}' is encrypted and '{To.Name}' is not: whoever reads "
                    + $"{To.Repository.Location} reads the copies.");
            foreach (IGrouping<string, LocatedPoint> appliance in source.GroupBy(p => p.Point.ApplianceId))
            {
                bool isWanted = await CopyAsync(copier,
                    [.. appliance.Select(p => p.Point).GroupBy(p => p.RestorePointId).Select(g => g.First())
                        .OrderBy(p => p.TimeUtc).ThenBy(p => p.Verification == VerificationState.Failed)
                        .ThenBy(p => p.Sequence)],
                    source.Key, cancellationToken).ConfigureAwait(false);
                // Where only copies arrive, nothing else comes by every night.
                if (isWanted && !await OnPipelineAsync(IsWhatIf).ConfigureAwait(false))
                    await LockRenewals.RunAsync(To, appliance.Key, appliance.First().Point.ApplianceName, EmitVerbose,
                        EmitWarning, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// The points of one appliance, oldest first: each then adds only what changed. Of one state that lies in the
    /// source twice, a point that was found damaged comes after the good one, and is there already then.
    /// </summary>
    /// <returns>False when each question whether to copy was answered with no, and nothing is there already.</returns>
    private async Task<bool> CopyAsync(PointCopier copier, IReadOnlyList<RestorePoint> points,
        RepositoryConnection source, CancellationToken cancellationToken)
    {
        // Asked first: nobody's backup is to wait for an answer.
        (IReadOnlyList<(RestorePoint Point, PointCopy? Known)> chosen, bool hasDeclined) = await ChooseAsync(copier,
            points, source, cancellationToken).ConfigureAwait(false);
        IAsyncDisposable? held = null;
        try
        {
            for (int i = 0; i < chosen.Count; i++)
            {
                (RestorePoint point, PointCopy? result) = chosen[i];
                try
                {
                    if (result is null)
                    {
                        held ??= await copier.HoldAsync(point.ApplianceId, cancellationToken).ConfigureAwait(false);
                        using ProgressReporter progress = StartProgress($"Copying {PointTitle.Of(point)} to {To.Name}");
                        result = await copier.CopyAsync(point, Force, progress,
                            cancellationToken).ConfigureAwait(false);
                    }
                    if (result.Reason is not null) EmitWarning($"{point}: {result.Reason}");
                    Emit(result with { Repository = To.Name, SourceRepository = source.Name });
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    if (!GoesOn(e, point, chosen.Count - i - 1)) break;
                }
            }
        }
        finally
        {
            if (held is not null) await held.DisposeAsync().ConfigureAwait(false);
        }
        return chosen.Count > 0 || !hasDeclined;
    }

    /// <summary>
    /// The points that are to be copied, and those that are there or were removed there, with what is said of them; and
    /// whether some were not wanted.
    /// </summary>
    private async Task<(IReadOnlyList<(RestorePoint Point, PointCopy? Known)> Chosen, bool HasDeclined)> ChooseAsync(
        PointCopier copier, IReadOnlyList<RestorePoint> points, RepositoryConnection source,
        CancellationToken cancellationToken)
    {
        var chosen = new List<(RestorePoint, PointCopy?)>();
        bool hasDeclined = false;
        for (int i = 0; i < points.Count; i++)
        {
            RestorePoint point = points[i];
            try
            {
                PointCopy? known = await copier.FindAsync(point, Force, cancellationToken).ConfigureAwait(false);
                if (known is not null
                    || await ShouldProcessAsync($"{point} ({point.RestorePointId}) in repository '{source.Name}'",
                        $"Copy the restore point to repository '{To.Name}'").ConfigureAwait(false))
                    chosen.Add((point, known));
                else hasDeclined = true;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                if (!GoesOn(e, point, points.Count - i - 1)) break;
            }
        }
        return (chosen, hasDeclined);
    }

    /// <summary>Keeps a failure for the end.</summary>
    /// <returns>Whether the next point may fare better.</returns>
    private bool GoesOn(Exception failure, RestorePoint point, int newer)
    {
        DeferError(failure, point);
        if (IsThePoints(failure)) return true;
        // The lease is held, the destination is full or away: the next point would fail the same way.
        if (newer > 0)
            EmitWarning($"{newer} newer {(newer == 1 ? "point" : "points")} of {point.ApplianceName} were not tried. "
                + "The next run goes on from here.");
        return false;
    }

    private static bool IsThePoints(Exception failure) =>
        failure is NataliaException
        {
            ErrorId: ErrorIds.RestorePointDamaged or ErrorIds.RestorePointNotFound
            or ErrorIds.ObjectArchived
        };

    private NataliaException OntoItself() =>
        new(ErrorIds.CopyOntoItself, NataliaErrorKind.InvalidArgument,
            $"The points lie in the repository '{To.Name}' itself: source and destination of a copy are two.", To.Name,
        "Name the source with Get-NataliaRestorePoint -Repository, and another repository with -Destination.");
}
