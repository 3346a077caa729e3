using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Copy;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Backup;

/// <summary>A run that makes a copy of another repository's point.</summary>
/// <param name="point">The point.</param>
/// <param name="disks">Its disks.</param>
internal sealed class CopyRun(CopiedPoint point, IReadOnlyList<CopiedDisk> disks) : IRunSource
{
    public string Purpose => LeasePurposes.Copy;

    public string Activity => "Copying";

    public ApplianceDescription Appliance { get; } = new()
    {
        ApplianceId = point.Source.ApplianceId,
        Name = point.Source.ApplianceName,
        HypervisorKind = point.Source.HypervisorKind,
    };

    public IReadOnlyList<IRunDisk> Disks => disks;

    public byte[]? Configuration => point.Configuration;

    public IReadOnlyList<RunAttachment> Attachments => point.Attachments;

    /// <summary>Whether the copy is there already; it is what the run returns then.</summary>
    internal bool WasAlreadyThere { get; private set; }

    /// <summary>Looked at once more with the lease held: another copy may have ended a moment ago.</summary>
    public async Task<PointManifest?> FindMadeAsync(History history, CancellationToken cancellationToken)
    {
        PointManifest? made =
            (await history.ReadPointsAsync(cancellationToken).ConfigureAwait(false)).Find(point.Origin.PointId);
        WasAlreadyThere = made is not null;
        return made;
    }

    // The source's point stays what it is.
    public bool IsSealed => false;

    public Task SealAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>
    /// Before the point is there: it must not be unprotected for a moment, or for ever when the process dies then. Of
    /// a point that
    /// never comes the record says nothing.
    /// </summary>
    public AuditEntry? EntryBefore(Run run) => !point.IsProtected ? null : new AuditEntry(AuditEvents.PointProtected)
    {
        ApplianceId = Appliance.ApplianceId,
        RestorePointId = run.Id.ToString(),
        Sequence = run.Sequence,
        Reason = $"Protected in the repository that it is copied from, {point.CopiedFrom.RepositoryId}.",
    };

    public PointManifest Describe(PointManifest made, IReadOnlyList<string> reasons) => point.Describe(made);
}
