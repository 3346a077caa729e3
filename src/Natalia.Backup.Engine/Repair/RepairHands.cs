using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Does what a plan says, under the lease, each deed in the order that a crash or a power cut may come into.
/// Decides nothing.</summary>
internal sealed class RepairHands(RepositoryCore core, string applianceId, Lease lease, DeltaReader deltas)
{
    private readonly PackSweep _sweep = new(core, applianceId, PackSweep.DefaultGrace);
    private string? _locked;

    internal long FreedBytes => _sweep.FreedBytes;

    /// <summary>Points that were given up.</summary>
    internal int RemovedPoints { get; private set; }

    /// <summary>
    /// Runs whose manifests should have gone and are still there, because of a lock that showed only now. Nothing is
    /// given back then: what such a manifest needs stays until it has gone. The next repair plans it anew.
    /// </summary>
    internal HashSet<Run> Refused { get; } = [];

    /// <exception cref="NataliaException"><c>LeaseLost</c>.</exception>
    internal Task EnsureHeldAsync(CancellationToken cancellationToken) => lease.EnsureHeldAsync(cancellationToken);

    /// <returns>False when a lock keeps any of them.</returns>
    internal async Task<bool> DeleteAsync(IEnumerable<(string Name, long Bytes)> objects,
        CancellationToken cancellationToken)
    {
        bool all = true;
        foreach ((string name, long bytes) in objects)
        {
            if (await _sweep.DeleteAsync(name, bytes, cancellationToken).ConfigureAwait(false)) continue;
            _locked = name;
            all = false;
        }
        return all;
    }

    internal Task<bool> DeleteAsync(string name, long bytes, CancellationToken cancellationToken) =>
        DeleteAsync([(name, bytes)], cancellationToken);

    /// <returns>False when a lock keeps it.</returns>
    internal async Task<bool> DeleteManifestAsync(Run run, CancellationToken cancellationToken)
    {
        if (await DeleteAsync(Layout.Manifest(applianceId, run), 0, cancellationToken).ConfigureAwait(false))
            return true;
        Refused.Add(run);
        return false;
    }

    /// <summary>Deletes what stands before an object that holds the same pack, once more sure that it does.</summary>
    internal async Task<bool> UncoverAsync(StoredObject bad, string whole, CancellationToken cancellationToken) =>
        await IsProvenAsync(whole, cancellationToken).ConfigureAwait(false)
            && await DeleteAsync(bad.Name, bad.Length, cancellationToken).ConfigureAwait(false);

    internal async Task<bool> PutManifestAsync(PointManifest manifest, bool replaces,
        CancellationToken cancellationToken)
    {
        if (replaces && !await DeleteManifestAsync(manifest.Run, cancellationToken).ConfigureAwait(false)) return false;
        await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
        await core.Store.PutAsync(Layout.Manifest(applianceId, manifest.Run), manifest.Encode(core.Keys).Content,
            PutOptions.Metadata, cancellationToken).ConfigureAwait(false);
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Records that a point is given up. Comes before anything of it is deleted.</summary>
    internal async Task<bool> RecordRemovalAsync(AuditEntry removal, CancellationToken cancellationToken)
    {
        await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
        await core.ApplianceLog(applianceId).AppendAsync(removal, core.SigningSeed,
            cancellationToken).ConfigureAwait(false);
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        RemovedPoints++;
        return true;
    }

    internal async Task<bool> RecordDamageAsync(DamageNote note, CancellationToken cancellationToken)
    {
        await DamageRecords.WriteAsync(core, applianceId, note.Healed, note.Leans, note.Packs, note.Points, note.Reason,
            cancellationToken).ConfigureAwait(false);
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Copies what is whole of a pack into a new object, and then deletes the damaged one.</summary>
    internal async Task<bool> SalvageAsync(PackState pack, Func<int, bool> isNeeded,
        CancellationToken cancellationToken)
    {
        try
        {
            if (await PackSalvage.CopyAsync(core, pack, isNeeded, applianceId,
                cancellationToken).ConfigureAwait(false) is not string copy)
                return false;
            if (!await IsProvenAsync(copy, cancellationToken).ConfigureAwait(false))
            {
                // The medium that broke the pack may have broken its copy. What is whole of the pack stays where it
                // is, and the next repair tries again.
                await _sweep.DeleteAsync(copy, 0, cancellationToken).ConfigureAwait(false);
                return false;
            }
        }
        catch (NataliaException unreadable) when (Damage.Is(unreadable))
        {
            return false;
        }
        // Where a lock keeps it after all, readers go on taking the damaged one, of which all that is needed is whole.
        return await DeleteAsync(pack.Objects[0].Name, pack.Objects[0].Length, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether every byte of an object can be had as it was put.</summary>
    private async Task<bool> IsProvenAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await _sweep.IsWholeAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException unreadable) when (Damage.Is(unreadable))
        {
            return false;
        }
    }

    internal async Task<bool> WriteStandInAsync(RunDelta delta, IReadOnlyDictionary<string, DeadList> dead,
        CancellationToken cancellationToken)
    {
        await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
        await deltas.WriteStandInAsync(delta, dead, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Gives back packs that nothing needs, and what is free in others when that is much.</summary>
    internal async Task<bool> GiveBackAsync(FreeSet free, IReadOnlyDictionary<string, long> empty,
        CancellationToken cancellationToken)
    {
        if (Refused.Count > 0) return false;
        await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
        // After a power cut no manifest may be back whose packs are gone.
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        await _sweep.ListPacksAsync(cancellationToken).ConfigureAwait(false);
        await _sweep.SweepAsync(free, deltas, empty, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Whether all of these objects went when space was given back.</summary>
    internal bool Went(IEnumerable<string> names)
    {
        if (Refused.Count > 0)
        {
            _locked = Layout.Manifest(applianceId, Refused.First());
            return false;
        }
        return (_locked = names.FirstOrDefault(_sweep.Locked.Contains)) is null;
    }

    /// <summary>Writes what is free now, for the optimizations that come.</summary>
    internal async Task<bool> WriteFreeListAsync(IReadOnlyDictionary<long, IReadOnlyList<string>> disks, FreeSet free,
        IReadOnlyList<string> older, CancellationToken cancellationToken)
    {
        if (Refused.Count > 0) return false;
        // After a power cut no pack may be back of which the list says nothing any more.
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        await new FreeList(disks, free.ToDeadList(), _sweep.WaitingPacks).WriteAsync(core.Store, applianceId, core.Keys,
            older, cancellationToken).ConfigureAwait(false);
        return true;
    }

    internal async Task<bool> FlushAsync(CancellationToken cancellationToken)
    {
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>The object that could not be deleted last because a lock keeps it; null when there was none since it
    /// was asked the last time.</summary>
    internal string? TakeLocked()
    {
        string? locked = _locked;
        _locked = null;
        return locked;
    }

    /// <summary>Until when an object is locked, UTC; null when the store does not tell.</summary>
    internal async Task<DateTime?> LockedUntilAsync(string name, CancellationToken cancellationToken)
    {
        if (core.Store.ObjectLock is not IObjectLock locks) return null;
        try
        {
            return await locks.GetRetainUntilAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return null;
        }
    }
}

/// <summary>A record of damage, or of its end.</summary>
internal sealed record DamageNote(bool Healed, bool Leans, IReadOnlyList<string> Packs, IReadOnlyList<long> Points,
    string Reason);
