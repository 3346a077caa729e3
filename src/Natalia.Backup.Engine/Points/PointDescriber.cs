using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Points;

/// <summary>Tells of points what users see of them.</summary>
internal sealed class PointDescriber(RepositoryCore core)
{
    internal RestorePoint Describe(PointManifest manifest, bool isProtected, DateTime? foundDamagedUtc = null) => new()
    {
        RestorePointId = manifest.PointId,
        ApplianceId = manifest.ApplianceId,
        ApplianceName = manifest.ApplianceName,
        HypervisorKind = manifest.HypervisorKind,
        RepositoryId = core.RepositoryId,
        Repository = core.Options.Label,
        Sequence = manifest.Run.Sequence,
        TimeUtc = manifest.TimeUtc,
        IsInFuture = core.Clock.IsInFuture(manifest.TimeUtc),
        Type = manifest.Type,
        RequestedType = manifest.RequestedType,
        Reason = manifest.Reason,
        ReadMethod = manifest.ReadMethod,
        Consistency = manifest.Consistency,
        SizeBytes = manifest.Disks.Sum(d => d.SizeBytes),
        ReadBytes = manifest.ReadBytes,
        StoredBytes = manifest.StoredBytes,
        Duration = manifest.Duration,
        Disks = manifest.Disks.Select(Describe).ToArray(),
        CdrBaseline = manifest.CdrBaseline,
        Attachments = manifest.Attachments.Select(a => a.Describe()).ToArray(),
        IsProtected = isProtected,
        // What a manifest says of locks is true of the store that it was made in. A mirror of that may hold none.
        ImmutableUntilUtc = core.Store.ObjectLock is null ? null : manifest.ImmutableUntilUtc,
        OriginalRestorePointId = manifest.CopyOf?.PointId,
        OriginalRepositoryId = manifest.CopyOf?.RepositoryId,
        IsEncrypted = core.IsEncrypted,
        Verification = foundDamagedUtc is null ? VerificationState.Unknown : VerificationState.Failed,
        VerifiedUtc = foundDamagedUtc > DateTime.MinValue ? foundDamagedUtc : null,
    };

    /// <summary>A point with what the log says of it.</summary>
    internal RestorePoint Describe(PointManifest manifest, PointStates states, IReadOnlyList<RenewalRecord> renewals)
    {
        RestorePoint point = Describe(manifest, states.IsProtected(manifest.PointId, manifest.Run.Sequence),
            states.FoundDamagedUtc(manifest.Run.Sequence));
        return RenewalRecord.Until(renewals, point.RestorePointId) is DateTime until
            && !(point.ImmutableUntilUtc >= until)
            ? point with { ImmutableUntilUtc = until }
            : point;
    }

    internal static RestorePointDisk Describe(ManifestDisk disk) =>
        new(disk.DiskId, disk.Role, disk.SizeBytes,
            Math.Min(disk.Root.Blocks * BlockGeometry.BlockBytes, disk.SizeBytes));

    /// <summary>
    /// The extensions of an appliance's locks that still last; none in a repository where locks are not
    /// extended, or whose store holds none.
    /// </summary>
    internal async Task<IReadOnlyList<RenewalRecord>> ReadRenewalsAsync(AuditLog log, List<AuditName> names,
        CancellationToken cancellationToken) =>
        core.Immutability?.WhileKept == true && core.Store.ObjectLock is not null
            ? await RenewalRecord.ReadAsync(log, names, core.Clock.UtcNow(), cancellationToken).ConfigureAwait(false)
            : [];

    /// <summary>
    /// A point whose manifest cannot be read, as the signed record of its making tells of it; null where there is no
    /// such record. A damaged checkpoint, which is no point, has none either.
    /// </summary>
    internal async Task<RestorePoint?> DescribeUnreadableAsync(string applianceId, Run run, AuditLog log,
        List<AuditName> names, PointStates states, CancellationToken cancellationToken)
    {
        string id = run.Id.ToString();
        List<AuditName> made = names.FindAll(n => n.Event == AuditEvents.PointMade && n.Sequence == run.Sequence);
        if ((await log.ReadAllAsync(made,
            cancellationToken).ConfigureAwait(false)).FirstOrDefault(r => r?.RestorePointId == id)
            is not { Data: string text })
            return null;
        using JsonDocument document = JsonDocument.Parse(text);
        JsonElement data = document.RootElement;
        if (data.ReadTimeOrNull("timeUtc") is not DateTime time) return null;
        PointOrigin? copyOf = PointOrigin.Read(data);
        return new RestorePoint
        {
            RestorePointId = id,
            ApplianceId = applianceId,
            ApplianceName = data.ReadStringOrNull("name") ?? applianceId,
            RepositoryId = core.RepositoryId,
            Repository = core.Options.Label,
            Sequence = run.Sequence,
            TimeUtc = time,
            IsInFuture = core.Clock.IsInFuture(time),
            Type = data.ReadEnum<BackupType>("type"),
            Consistency = data.ReadEnum<Consistency>("consistency"),
            ReadBytes = data.ReadLongOrNull("readBytes"),
            StoredBytes = data.ReadLongOrNull("storedBytes"),
            IsProtected = states.IsProtected(id, run.Sequence),
            OriginalRestorePointId = copyOf?.PointId,
            OriginalRepositoryId = copyOf?.RepositoryId,
            IsEncrypted = core.IsEncrypted,
            Verification = VerificationState.Failed,
            IsReadable = false,
        };
    }
}
