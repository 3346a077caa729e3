using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Copy;

/// <summary>
/// The points of an appliance that a repository holds, by where they were first made. Of one original there may be
/// several: one that was found damaged, and one that was copied again.
/// </summary>
internal sealed class PointsThere
{
    private readonly Dictionary<string, PointManifest> _good = new(StringComparer.Ordinal),
        _damaged = new(StringComparer.Ordinal);

    /// <summary>The newest one that is a copy, or null.</summary>
    internal PointManifest? NewestCopy { get; private set; }

    /// <summary>
    /// The point, or the copy of it, with this original that is not known to be damaged; null when there is none.
    /// </summary>
    internal PointManifest? Find(string originalPointId) =>
        _good.TryGetValue(originalPointId, out PointManifest? found) ? found : null;

    /// <summary>
    /// The one with this original that was made last and is known to be damaged; null when there is none.
    /// </summary>
    internal PointManifest? FindDamaged(string originalPointId) =>
        _damaged.TryGetValue(originalPointId, out PointManifest? found) ? found : null;

    internal void Add(PointManifest point, bool isDamaged = false)
    {
        Dictionary<string, PointManifest> points = isDamaged ? _damaged : _good;
        if (!points.TryGetValue(point.OriginalPointId, out PointManifest? other)
            || other.Run.Sequence < point.Run.Sequence)
            points[point.OriginalPointId] = point;
        if (point.CopyOf is not null && (NewestCopy is null || NewestCopy.Run.Sequence < point.Run.Sequence))
            NewestCopy = point;
    }

    /// <summary>Reads them. A point that is removed, or whose manifest is damaged, is not there.</summary>
    internal static async Task<PointsThere> ReadAsync(RepositoryCore core, ManifestReader manifests, string applianceId,
        IReadOnlyList<Run> runs, CancellationToken cancellationToken)
    {
        var there = new PointsThere();
        PointStates states = await PointStates.ReadAsync(core.ApplianceLog(applianceId),
            new HashSet<long>(runs.Select(r => r.Sequence)), cancellationToken).ConfigureAwait(false);
        foreach ((_, PointManifest? manifest, _) in await manifests.ReadAllAsync(applianceId, runs, fromCatalog: true,
            cancellationToken).ConfigureAwait(false))
        {
            if (manifest is { Incomplete: false } && !states.IsRemoved(manifest.PointId))
                there.Add(manifest, states.FoundDamagedUtc(manifest.Run.Sequence) is not null);
        }
        return there;
    }

    /// <summary>
    /// The originals of points that were removed from a repository, told by its log, also of those of which nothing
    /// else is left; each with its last removal.
    /// </summary>
    internal static async Task<Dictionary<string, Removal>> ReadRemovedAsync(AuditLog log,
        CancellationToken cancellationToken)
    {
        var removed = new Dictionary<string, Removal>(StringComparer.Ordinal);
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        // One that is damaged or not signed has no effect, and the repository's check reports it.
        foreach (AuditRecord? record in await log.ReadAllAsync(names.FindAll(n => n.Event == AuditEvents.PointRemoved),
            cancellationToken).ConfigureAwait(false))
        {
            if (record?.RestorePointId is not string point) continue;
            using JsonDocument data = JsonDocument.Parse(record.Data ?? "{}");
            var removal = new Removal(record.Sequence ?? 0, RemovalRecord.IsLost(data.RootElement));
            foreach (string original in PointOrigin.Read(data.RootElement) is PointOrigin origin
                ? [point, origin.PointId]
                : new[] { point })
            {
                // The sequence of what was removed tells: a copy that was made later was wanted later.
                if (!removed.TryGetValue(original, out Removal? other) || other.Sequence < removal.Sequence)
                    removed[original] = removal;
            }
        }
        return removed;
    }

    /// <summary>How a point went.</summary>
    /// <param name="Sequence">The sequence that it had.</param>
    /// <param name="IsLost">A repair gave it up because it was lost; nobody wanted it away.</param>
    internal sealed record Removal(long Sequence, bool IsLost);
}
