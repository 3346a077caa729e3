using System.Collections.Concurrent;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// Lists and reads manifests. They never change, so each is read once in a session, and many are learnt from the
/// catalog. Thread-safe.
/// </summary>
internal sealed class ManifestReader(RepositoryCore core)
{
    /// <summary>Enough to hide the latency of a bucket, few enough not to be throttled.</summary>
    private const int ReadsAtOnce = 16;

    /// <summary>From so many unread manifests on, a look into the catalog is worth its requests.</summary>
    private const int CatalogFrom = 64;

    private readonly ConcurrentDictionary<string, PointManifest> _known = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, PointManifest> _catalogued = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _lengths = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string ApplianceId, string PointId), Run> _listed = new();

    /// <summary>The runs that have a manifest, complete or not, ascending.</summary>
    internal async Task<List<Run>> ListAsync(string applianceId, CancellationToken cancellationToken)
    {
        var runs = new List<Run>();
        await foreach (StoredObject found in core.Store.ListAsync(Layout.Manifests(applianceId),
            cancellationToken).ConfigureAwait(false))
        {
            if (!Run.TryParse(Layout.FileName(found.Name), out Run run)) continue;
            _lengths[found.Name] = found.Length;
            _listed.TryAdd((applianceId, run.Id.ToString()), run);
            runs.Add(run);
        }
        return runs;
    }

    /// <summary>The length of a manifest's object when it was last listed, in bytes; null when it was not.</summary>
    internal long? LengthOf(string applianceId, Run run) =>
        _lengths.TryGetValue(Layout.Manifest(applianceId, run), out long length) ? length : null;

    /// <summary>
    /// The run of a point whose manifest was listed in this session, and may be gone since; null when none was.
    /// </summary>
    internal Run? Recall(string applianceId, string restorePointId) =>
        _listed.TryGetValue((applianceId, restorePointId), out Run run) ? run : null;

    /// <summary>Reads a manifest itself, never a copy of the catalog.</summary>
    /// <exception cref="NataliaException"><c>ManifestDamaged</c>, <c>ObjectNotFound</c>, a store error.</exception>
    internal Task<PointManifest> ReadAsync(string applianceId, Run run, CancellationToken cancellationToken) =>
        _known.TryGetValue(Layout.Manifest(applianceId, run), out PointManifest? known)
            ? Task.FromResult(known)
            : ReadAnewAsync(applianceId, run, cancellationToken);

    /// <summary>Reads a manifest as it is now, also when it was read before.</summary>
    /// <exception cref="NataliaException"><c>ManifestDamaged</c>, <c>ObjectNotFound</c>, a store error.</exception>
    internal async Task<PointManifest> ReadAnewAsync(string applianceId, Run run, CancellationToken cancellationToken)
    {
        string name = Layout.Manifest(applianceId, run);
        try
        {
            byte[] bytes = await core.Store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false);
            return _known[name] = PointManifest.Decode(bytes, applianceId, run, core.Keys);
        }
        catch (FormatException damage)
        {
            throw new NataliaException(ErrorIds.ManifestDamaged, NataliaErrorKind.InvalidData,
                $"The manifest '{name}' in {core.Store.Location} is damaged: {damage.Message}", name,
                "The point cannot be restored from here; other points are not affected. Repair-NataliaRepository "
                + "-WhatIf tells what can be done. The next backup stores everything anew where it needs to.",
                damage);
        }
    }

    /// <summary>
    /// Reads several that were listed before; damaged ones are handed over with their error, and ones that vanished
    /// meanwhile are left out.
    /// </summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="runs">Which.</param>
    /// <param name="fromCatalog">Whether copies will do: for looking, not for restoring. A manifest that was damaged
    /// without a change of its length after it was copied is then not noticed.</param>
    internal async Task<IReadOnlyList<(Run Run, PointManifest? Manifest, NataliaException? Damage)>> ReadAllAsync(
        string applianceId,
        IReadOnlyList<Run> runs, bool fromCatalog, CancellationToken cancellationToken)
    {
        if (fromCatalog) await LearnAsync(applianceId, runs, cancellationToken).ConfigureAwait(false);
        (Run, PointManifest?,
            NataliaException?)?[] read = await InParallel.SelectAsync<Run, (Run, PointManifest?, NataliaException?)?>(
                runs,
            ReadsAtOnce, async run =>
        {
            try
            {
                PointManifest? copy = null;
                if (fromCatalog) _catalogued.TryGetValue(Layout.Manifest(applianceId, run), out copy);
                return (run, copy ?? await ReadAsync(applianceId, run, cancellationToken).ConfigureAwait(false), null);
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                return null;
            }
            catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ManifestDamaged)
            {
                return (run, null, damage);
            }
        }, cancellationToken).ConfigureAwait(false);
        return read.Where(r => r is not null).Select(r => r!.Value).ToArray();
    }

    /// <summary>Takes over the catalog's copies of manifests that were not read yet.</summary>
    private async Task LearnAsync(string applianceId, IReadOnlyList<Run> runs, CancellationToken cancellationToken)
    {
        List<Run> unknown = runs
            .Where(r => Layout.Manifest(applianceId, r) is string name && !_known.ContainsKey(name)
                && !_catalogued.ContainsKey(name))
            .ToList();
        if (unknown.Count < CatalogFrom) return;
        var catalog = new PointCatalog(core, applianceId);
        ILookup<long, string> objects = await catalog.ListAsync(cancellationToken).ConfigureAwait(false);
        string[] chunks = [.. unknown.GroupBy(r => PointCatalog.ChunkOf(r.Sequence)).SelectMany(c => objects[c.Key])];
        await InParallel.RunAsync(chunks, ReadsAtOnce, async name =>
        {
            foreach (PointCatalog.Entry entry in await catalog.ReadAsync(name, cancellationToken).ConfigureAwait(false))
            {
                if (LengthOf(applianceId, entry.Manifest.Run) == entry.Length)
                    _catalogued[Layout.Manifest(applianceId, entry.Manifest.Run)] = entry.Manifest;
            }
        }, cancellationToken).ConfigureAwait(false);
    }
}
