using System.Collections.Concurrent;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>Lists and reads manifests. They never change, so each is read once in a session. Thread-safe.</summary>
internal sealed class ManifestReader(RepositoryCore core)
{
    /// <summary>Enough to hide the latency of a bucket, few enough not to be throttled.</summary>
    private const int ReadsAtOnce = 16;

    private readonly ConcurrentDictionary<string, PointManifest> _known = new(StringComparer.Ordinal);

    /// <summary>The runs that have a manifest, complete or not, ascending.</summary>
    internal async Task<List<Run>> ListAsync(string applianceId, CancellationToken cancellationToken)
    {
        var runs = new List<Run>();
        await foreach (StoredObject found in core.Store.ListAsync(Layout.Manifests(applianceId), cancellationToken).ConfigureAwait(false))
        {
            if (Run.TryParse(Layout.FileName(found.Name), out Run run)) runs.Add(run);
        }
        return runs;
    }

    /// <exception cref="NataliaException"><c>ManifestDamaged</c>, <c>ObjectNotFound</c>, a store error.</exception>
    internal async Task<PointManifest> ReadAsync(string applianceId, Run run, CancellationToken cancellationToken)
    {
        string name = Layout.Manifest(applianceId, run);
        if (_known.TryGetValue(name, out PointManifest? known)) return known;
        byte[] bytes = await core.Store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false);
        try
        {
            return _known[name] = PointManifest.Decode(bytes, applianceId, run, core.Keys);
        }
        catch (FormatException damage)
        {
            throw new NataliaException(ErrorIds.ManifestDamaged, NataliaErrorKind.InvalidData, $"The manifest '{name}' in {core.Store.Location} is damaged: {damage.Message}", name,
                "The point cannot be restored from here; other points are not affected. The next backup stores everything anew where it needs to.", damage);
        }
    }

    /// <summary>Reads several; damaged ones are handed over with their error, and ones that vanished meanwhile are left out.</summary>
    internal async Task<IReadOnlyList<(Run Run, PointManifest? Manifest, NataliaException? Damage)>> ReadAllAsync(string applianceId, IReadOnlyList<Run> runs, CancellationToken cancellationToken)
    {
        using var slots = new SemaphoreSlim(ReadsAtOnce);
        var tasks = runs.Select(async run =>
        {
            await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return ((Run, PointManifest?, NataliaException?)?)(run, await ReadAsync(applianceId, run, cancellationToken).ConfigureAwait(false), null);
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                return null;
            }
            catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ManifestDamaged)
            {
                return (run, null, damage);
            }
            finally
            {
                slots.Release();
            }
        }).ToArray();
        return (await Task.WhenAll(tasks).ConfigureAwait(false)).Where(r => r is not null).Select(r => r!.Value).ToArray();
    }
}
