using System.Collections.Concurrent;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Copy;

/// <summary>
/// Tells which packs of a sealed repository are what their names say, so that a segment whose seal is whole is the one
/// that its reference means, and need not be decompressed to be sure. The chain: a delta lists the ids of its run's
/// packs; it is genuine when a seal of its own covers it, or when the run's manifest, which is sealed, names its
/// checksum. A segment's seal covers the pack's id and the ordinal. Thread-safe.
/// </summary>
internal sealed class PackProofs(RepositoryCore core, ManifestReader manifests, string applianceId)
{
    private readonly ConcurrentDictionary<Run, Task<Dictionary<(PackArea, int), Id128>?>> _runs = new();

    /// <summary>True when a whole seal proves a segment of this pack; false when only its hash can.</summary>
    internal async Task<bool> IsProvenAsync(PackArea area, Run run, int pack, PackDirectory directory,
        CancellationToken cancellationToken)
    {
        if (core.Keys.Cipher == Cipher.None) return false;
        Task<Dictionary<(PackArea, int), Id128>?> task = _runs.GetOrAdd(run, _ => ReadAsync(run, cancellationToken));
        Dictionary<(PackArea, int), Id128>? packs = await task.ConfigureAwait(false);
        return packs is not null && packs.TryGetValue((area, pack), out Id128 id) && id == directory.Envelope.Id;
    }

    private async Task<Dictionary<(PackArea, int), Id128>?> ReadAsync(Run run, CancellationToken cancellationToken)
    {
        try
        {
            byte[] bytes = await core.Store.ReadAllAsync(Layout.Delta(applianceId, run),
                cancellationToken).ConfigureAwait(false);
            RunDelta delta = RunDelta.Decode(bytes, applianceId, run);
            Envelope envelope = SmallObject.Check(bytes, ObjectKind.Delta);
            if (envelope.Segments.Length > 0) SmallObject.OpenSegment(bytes, envelope, 0, core.Keys);
            else if ((await manifests.ReadAsync(applianceId, run,
                cancellationToken).ConfigureAwait(false)).DeltaHash != SmallObject.Trailer(bytes))
                return null;
            return delta.Packs.ToDictionary(p => (p.Area, p.Number), p => p.Id);
        }
        catch (FormatException)
        {
            return null;
        }
        catch (NataliaException missing) when (missing.ErrorId is ErrorIds.ObjectNotFound or ErrorIds.ManifestDamaged)
        {
            return null;
        }
    }
}
