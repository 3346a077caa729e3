using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Repositories;

namespace Natalia.Backup.Engine.Copy;

/// <summary>The points of an appliance that a repository holds, by where they were first made.</summary>
internal sealed class PointsThere
{
    private readonly Dictionary<string, PointManifest> _points = new(StringComparer.Ordinal);

    /// <summary>The newest one that is a copy, or null.</summary>
    internal PointManifest? NewestCopy { get; private set; }

    /// <summary>The point, or the copy of it, with this original; null when there is none.</summary>
    internal PointManifest? Find(string originalPointId) => _points.TryGetValue(originalPointId, out PointManifest? found) ? found : null;

    internal void Add(PointManifest point)
    {
        _points[point.OriginalPointId] = point;
        if (point.CopyOf is not null && (NewestCopy is null || NewestCopy.Run.Sequence < point.Run.Sequence)) NewestCopy = point;
    }

    /// <summary>Reads them. A point that is removed or damaged is not there.</summary>
    internal static async Task<PointsThere> ReadAsync(RepositoryCore core, ManifestReader manifests, string applianceId, IReadOnlyList<Run> runs, CancellationToken cancellationToken)
    {
        var there = new PointsThere();
        PointStates states = await PointStates.ReadAsync(core.ApplianceLog(applianceId), new HashSet<long>(runs.Select(r => r.Sequence)), cancellationToken).ConfigureAwait(false);
        foreach ((_, PointManifest? manifest, _) in await manifests.ReadAllAsync(applianceId, runs, fromCatalog: true, cancellationToken).ConfigureAwait(false))
        {
            if (manifest is { Incomplete: false } && !states.IsRemoved(manifest.PointId)) there.Add(manifest);
        }
        return there;
    }

    /// <summary>The originals of points that were removed from a repository, told by its log: also of those of which nothing else is left.</summary>
    internal static async Task<HashSet<string>> ReadRemovedAsync(AuditLog log, CancellationToken cancellationToken)
    {
        var removed = new HashSet<string>(StringComparer.Ordinal);
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        // One that is damaged or not signed has no effect, and the repository's check reports it.
        foreach (AuditRecord? record in await log.ReadAllAsync(names.FindAll(n => n.Event == AuditEvents.PointRemoved), cancellationToken).ConfigureAwait(false))
        {
            if (record?.RestorePointId is not string point) continue;
            removed.Add(point);
            using JsonDocument data = JsonDocument.Parse(record.Data ?? "{}");
            if (PointOrigin.Read(data.RootElement) is PointOrigin origin) removed.Add(origin.PointId);
        }
        return removed;
    }
}
