using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Points;

/// <summary>Which points of an appliance are in use: read by this process, or marked by a reader anywhere.</summary>
internal static class ReaderMarks
{
    /// <summary>Marks of dead readers are swept when they are this old, which nobody can hold for alive.</summary>
    private static readonly TimeSpan s_sweepAfter = TimeSpan.FromDays(1);

    /// <summary>
    /// The ids of points that a living reader has marked. Costs one listing; where there are marks, two requests more
    /// for the store's clock.
    /// </summary>
    /// <exception cref="NataliaException">A store error.</exception>
    internal static Task<HashSet<string>> ReadAsync(RepositoryCore core, string applianceId,
        CancellationToken cancellationToken) =>
        ReadAsync(core, applianceId, sweeps: false, cancellationToken);

    /// <summary>The same, and deletes the marks of readers that died long ago.</summary>
    /// <exception cref="NataliaException">A store error.</exception>
    internal static Task<HashSet<string>> SweepAsync(RepositoryCore core, string applianceId,
        CancellationToken cancellationToken) =>
        ReadAsync(core, applianceId, sweeps: true, cancellationToken);

    private static async Task<HashSet<string>> ReadAsync(RepositoryCore core, string applianceId, bool sweeps,
        CancellationToken cancellationToken)
    {
        var living = new HashSet<string>(StringComparer.Ordinal);
        string directory = Layout.Readers(applianceId);
        IReadOnlyList<StoredObject> found = await core.Store.ListAllAsync(directory,
            cancellationToken).ConfigureAwait(false);
        // Probes of the clock that were left behind are swept, and ask nothing.
        if (!sweeps) found = [.. found.Where(o => RunOf(o.Name) is not null)];
        if (found.Count == 0) return living;
        DateTime now = await NowAsync(core, directory, cancellationToken).ConfigureAwait(false);
        foreach (StoredObject mark in found)
        {
            // What is dated ahead by more than clocks differ was written while some clock was wrong: the grace of what
            // is removed protects its reader.
            TimeSpan age = now - mark.LastModifiedUtc;
            if (age < ReaderMark.Lifetime && age > -ClockExtensions.Tolerance && RunOf(mark.Name) is string point)
                living.Add(point);
            if (sweeps && age > s_sweepAfter)
                await DeleteAsync(core.Store, mark.Name, cancellationToken).ConfigureAwait(false);
        }
        return living;
    }

    internal static async Task DeleteAsync(IObjectStore store, string name, CancellationToken cancellationToken)
    {
        try
        {
            await store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
        {
            // A bucket whose default retention locks everything keeps it until its date; it runs out all the same.
        }
    }

    /// <summary>By the store's clock; by this machine's where nothing may be put.</summary>
    private static async Task<DateTime> NowAsync(RepositoryCore core, string directory,
        CancellationToken cancellationToken)
    {
        try
        {
            return await Lease.StoreNowAsync(core.Store, directory, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException denied)
            when (denied.ErrorId is ErrorIds.StoreAccessDenied or ErrorIds.StoreFull or ErrorIds.StoreWriteFailed)
        {
            return core.Clock.UtcNow();
        }
    }

    private static string? RunOf(string name)
    {
        string[] parts = Layout.FileName(name).Split('.');
        return parts.Length == 3 && Run.TryParse(parts[0], out Run run) && Id128.TryParse(parts[1], out _)
            && Layout.TryParseNumber(parts[2], out _)
            ? run.Id.ToString()
            : null;
    }
}
