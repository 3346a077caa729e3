using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Backup;

/// <summary>The earlier points that a run compares with, and how far what they refer to can be relied on.</summary>
internal sealed class RunParents(
    RepositoryCore core, ManifestReader manifests, History history, string applianceId,
    IReadOnlyCollection<string> diskIds)
{
    private readonly List<PointManifest> _points = [];
    private HashSet<string>? _usablePacks;

    /// <summary>The disks that are backed up.</summary>
    internal IReadOnlyCollection<string> DiskIds => diskIds;

    /// <summary>The newest point that has a disk, and the disk in it; null when none has.</summary>
    internal (PointManifest Point, ManifestDisk Disk)? Find(string diskId)
    {
        foreach (PointManifest point in _points)
        {
            if (point.Disks.FirstOrDefault(d => d.DiskId == diskId) is ManifestDisk disk) return (point, disk);
        }
        return null;
    }

    /// <summary>Why a disk is compared with no point although there may be one, or null.</summary>
    internal string? FindIgnoredReason(string diskId) => Find(diskId) is null ? IgnoredReason : null;

    /// <summary>The points, newest first.</summary>
    internal IReadOnlyList<PointManifest> Points => _points;

    /// <summary>Why they are fewer than are there, or null.</summary>
    internal string? IgnoredReason { get; private set; }

    /// <summary>What was found damaged.</summary>
    internal DamageState Damage { get; private set; } = null!;

    /// <summary>Looks for them.</summary>
    /// <param name="ignore">Why none may be compared with, or null.</param>
    internal async Task FindAsync(string? ignore, CancellationToken cancellationToken)
    {
        string? missing = await history.FindMissingAsync(cancellationToken).ConfigureAwait(false);
        IgnoredReason = ignore ?? missing ?? await FindPointsAsync(cancellationToken).ConfigureAwait(false);
        Damage = await DamageRecords.ReadAsync(core.ApplianceLog(applianceId), history.Records,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What is wrong with clocks, in sentences; null where nothing is.</summary>
    internal string? FindClockWarning(Lease lease)
    {
        var warnings = new List<string>();
        DateTime now = core.Clock.UtcNow();
        if (lease.ClockAhead.Duration() > ClockExtensions.Tolerance)
            warnings.Add($"The clock of this machine ({now:yyyy-MM-dd HH:mm} UTC) and that of {core.Store.Location} "
                + $"({now - lease.ClockAhead:yyyy-MM-dd HH:mm} UTC) differ by "
                + $"{lease.ClockAhead.Duration().TotalMinutes:0} minutes. Let both be kept by NTP: the times of "
                + "points, and of locks, go by this machine's.");
        if (_points.Find(p => !p.Incomplete && core.Clock.IsInFuture(p.TimeUtc)) is PointManifest future)
            warnings.Add($"The earlier point {future.PointId} is of {future.TimeUtc:yyyy-MM-dd HH:mm} UTC, which is "
                + $"in the future: now it is {now:yyyy-MM-dd HH:mm} UTC. Either this machine's clock is wrong now, or "
                + "it was then. A point of the future is never the newest one and in no slot of a retention policy; "
                + "Remove-NataliaRestorePoint removes it.");
        return warnings.Count == 0 ? null : string.Join(" ", warnings);
    }

    /// <summary>
    /// The manifests that a disk may be compared with, newest first. Never one behind a manifest that cannot be read:
    /// what that one's run declared dead must not come to life again.
    /// </summary>
    private async Task<string?> FindPointsAsync(CancellationToken cancellationToken)
    {
        var missing = new HashSet<string>(diskIds, StringComparer.Ordinal);
        for (int i = history.Published.Count - 1; i >= 0 && missing.Count > 0; i--)
        {
            try
            {
                PointManifest manifest = await manifests.ReadAsync(applianceId, history.Published[i],
                    cancellationToken).ConfigureAwait(false);
                _points.Add(manifest);
                missing.ExceptWith(manifest.Disks.Select(d => d.DiskId));
            }
            catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ManifestDamaged)
            {
                if ((await StrangeManifests.FindUnconfirmedAsync(core, applianceId, history.Records,
                    [history.Published[i]], cancellationToken).ConfigureAwait(false)).Count > 0) continue;
                return (_points.Count == 0
                    ? "The earlier point could not be compared with, so that everything was stored anew: "
                    : "An earlier point could not be compared with, so that every disk that no later one has was "
                        + "stored anew: ")
                    + damage.Message;
            }
        }
        return null;
    }

    /// <summary>Whether a block may be referred to.</summary>
    internal bool IsUsable(Reference block)
    {
        if (_usablePacks is null) return true;
        string name = Layout.Pack(applianceId, PackArea.Data, block.Run, block.Pack);
        return _usablePacks.Contains(name) && !Damage.Packs.Contains(name);
    }

    /// <summary>
    /// A full run does not trust a reference into a pack that is gone or was found damaged: it stores the block
    /// again.
    /// </summary>
    internal async Task FindUsablePacksAsync(CancellationToken cancellationToken)
    {
        _usablePacks = new HashSet<string>(StringComparer.Ordinal);
        await foreach (StoredObject pack in core.Store.ListAsync(Layout.Packs(applianceId, PackArea.Data),
            cancellationToken).ConfigureAwait(false))
        {
            int revision = pack.Name.LastIndexOf(".r", StringComparison.Ordinal);
            _usablePacks.Add(revision < 0 ? pack.Name : pack.Name.Substring(0, revision));
        }
    }

    /// <summary>Locks what a point needs, where the repository locks.</summary>
    /// <returns>Until when all of it is locked; null where nothing is.</returns>
    internal async Task<DateTime?> SecureAsync(MapRoot[] roots, Companions companions, DateTime startedUtc,
        CancellationToken cancellationToken)
    {
        DateTime? parentsUntil = await FindLockAsync(cancellationToken).ConfigureAwait(false);
        return await new LockKeeper(core, applianceId).SecureAsync(roots, companions, startedUtc, parentsUntil,
            _points.Count > 0, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Until when everything that the parents need is locked: what they said when they were made, or what extended it
    /// since. Null when there is no parent.
    /// </summary>
    private async Task<DateTime?> FindLockAsync(CancellationToken cancellationToken)
    {
        if (_points.Count == 0) return null;
        IReadOnlyList<RenewalRecord> renewals = [];
        if (core.Immutability?.WhileKept == true)
        {
            AuditLog log = core.ApplianceLog(applianceId);
            renewals = await RenewalRecord.ReadAsync(log,
                await log.ListAsync(cancellationToken).ConfigureAwait(false), core.Clock.UtcNow(),
                    cancellationToken).ConfigureAwait(false);
        }
        return _points.Min(p => (DateTime?)Later(p.ImmutableUntilUtc, RenewalRecord.Until(renewals, p.PointId)));
    }

    private static DateTime Later(DateTime? a, DateTime? b) =>
        new(Math.Max(a?.Ticks ?? 0, b?.Ticks ?? 0), DateTimeKind.Utc);

    /// <summary>What the new point may share of what the newest one has besides its maps.</summary>
    internal async Task<IReadOnlyList<Reference>> FindCompanionsAsync(PackReader packs,
        CancellationToken cancellationToken) =>
        _points.Count == 0 || _points[0].Run != history.Newest
            ? []
            : await CompanionReader.FindReadableAsync(packs, _points[0].Companions,
                cancellationToken).ConfigureAwait(false);
}
