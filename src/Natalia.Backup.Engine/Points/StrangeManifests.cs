using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// Tells damaged manifests from what only bears the name of one. Anybody who can write to a store can put a name there,
/// without any password: a name that nothing confirms is no point, sets no number, and stands in nobody's way.
/// </summary>
internal static class StrangeManifests
{
    /// <summary>From so many on, a list of the deltas takes fewer requests than a look for each.</summary>
    private const int ListDeltasFrom = 4;

    /// <summary>Which of these no genuine record of the log knows.</summary>
    /// <param name="log">The appliance's log.</param>
    /// <param name="records">Its names.</param>
    /// <param name="unreadable">Runs whose manifests cannot be read.</param>
    internal static async Task<HashSet<Run>> FindUnrecordedAsync(AuditLog log, List<AuditName> records,
        IEnumerable<Run> unreadable, CancellationToken cancellationToken)
    {
        var strange = new HashSet<Run>(unreadable);
        if (strange.Count == 0) return strange;
        var sequences = new HashSet<long>(strange.Select(r => r.Sequence));
        List<AuditName> wanted =
            records.FindAll(
                n => n.Event is AuditEvents.PointMade or AuditEvents.PointRemoved && sequences.Contains(n.Sequence));
        var known = new HashSet<string?>((await log.ReadAllAsync(wanted, cancellationToken).ConfigureAwait(false))
            .Select(r => r?.RestorePointId),
            StringComparer.Ordinal);
        strange.RemoveWhere(r => known.Contains(r.Id.ToString()));
        return strange;
    }

    /// <summary>
    /// Which of these nothing at all confirms: neither a record nor a delta that tells what died with the run. A run
    /// that has no record yet may have died a moment after its manifest; where nothing died with it, nothing is lost by
    /// taking no notice of it.
    /// </summary>
    internal static async Task<HashSet<Run>> FindUnconfirmedAsync(RepositoryCore core, string applianceId,
        List<AuditName> records, IEnumerable<Run> unreadable, CancellationToken cancellationToken)
    {
        HashSet<Run> strange = await FindUnrecordedAsync(core.ApplianceLog(applianceId), records, unreadable,
            cancellationToken).ConfigureAwait(false);
        if (strange.Count == 0) return strange;
        List<Run> candidates = [.. strange];
        if (candidates.Count >= ListDeltasFrom)
        {
            var there =
                new HashSet<string>(
                    (await core.Store.ListAllAsync(Layout.Deltas(applianceId), cancellationToken).ConfigureAwait(false))
                .Select(o => Layout.FileName(o.Name)),
                StringComparer.Ordinal);
            candidates.RemoveAll(r => !there.Contains(r.ToString()));
        }
        foreach (Run run in candidates)
            if (await IsDeltaGenuineAsync(core, applianceId, run, cancellationToken).ConfigureAwait(false))
                strange.Remove(run);
        return strange;
    }

    /// <summary>
    /// Whether a run's delta is there and sealed with the repository's key. The seal is on its dead lists: a delta
    /// without any is nobody's in particular.
    /// </summary>
    internal static async Task<bool> IsDeltaGenuineAsync(RepositoryCore core, string applianceId, Run run,
        CancellationToken cancellationToken)
    {
        try
        {
            byte[] bytes = await core.Store.ReadAllAsync(Layout.Delta(applianceId, run),
                cancellationToken).ConfigureAwait(false);
            RunDelta.Decode(bytes, applianceId, run);
            return RunDelta.DecodeDead(bytes, core.Keys).Count > 0;
        }
        catch (FormatException)
        {
            return false;
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return false;
        }
    }
}
