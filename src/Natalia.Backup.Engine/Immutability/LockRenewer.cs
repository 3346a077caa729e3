using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>
/// Holds the locks of an appliance's kept points a fixed time ahead. A record in the log tells until when they last;
/// while that is late enough, and neither the policy nor a protection changed, three requests find it out. Else, once
/// in about a <see cref="ImmutabilityPolicy.Margin"/>, all kept points are extended together, so that they stay
/// together.
/// </summary>
/// <remarks>
/// Needs no lease: extending a lock twice does no harm, and what a run beside it makes is locked by that run.
/// </remarks>
internal sealed class LockRenewer(RepositoryCore core, ManifestReader manifests, string applianceId,
    ImmutabilityPolicy policy, IObjectLock locks)
{
    // Told where the next run shall look again, whatever the policy.
    private const string NoPolicy = "";

    private readonly Dictionary<string, string> _failures = new(StringComparer.Ordinal);
    private bool _mayPass;

    /// <param name="look">Look at every point, also where the log says that nothing is due.</param>
    /// <param name="readPointsAsync">Reads the appliance's points.</param>
    /// <param name="planAsync">Which of them are kept.</param>
    /// <param name="cancellationToken">Stops it; locks that were extended stay.</param>
    internal async Task<LockRenewal> ExecuteAsync(bool look, Func<Task<IReadOnlyList<RestorePoint>>> readPointsAsync,
        Func<IReadOnlyList<RestorePoint>, Task<HashSet<string>>> planAsync, CancellationToken cancellationToken)
    {
        DateTime now = core.Clock.UtcNow(), enough = now + policy.Period + policy.Lead;
        AuditLog log = core.ApplianceLog(applianceId);
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        // As of now: what is set while locks are extended is for the next run to look at.
        string policyRecord = $"{NewestPolicy(names)}/"
            + $"{NewestPolicy(await core.RepositoryLog.ListAsync(cancellationToken).ConfigureAwait(false))}/"
            + NewestProtection(names);
        RenewalRecord? last = (await RenewalRecord.ReadAsync(log, names, now, cancellationToken,
            limit: 1).ConfigureAwait(false)).FirstOrDefault();
        bool changed = last is null || last.Policy != policyRecord;
        if (!changed && !look && last!.UntilUtc >= enough) return Result(null, 0, 0, last.UntilUtc);

        IReadOnlyList<RestorePoint> points = await readPointsAsync().ConfigureAwait(false);
        if (points.Count == 0) return Result(0, 0, 0, null);
        HashSet<string> keptIds = await planAsync(points).ConfigureAwait(false);
        List<RestorePoint> kept = [.. points.Where(p => keptIds.Contains(p.RestorePointId))];
        if (kept.Count == 0) return Result(0, 0, 0, null);
        DateTime earliest = kept.Min(p => p.ImmutableUntilUtc ?? DateTime.MinValue);
        if (earliest >= enough)
        {
            // Written all the same, so that the next run finds out with three requests.
            if (changed)
                await RecordAsync(log, earliest, policyRecord, keptIds, 0, cancellationToken).ConfigureAwait(false);
            return Result(kept.Count, 0, 0, earliest);
        }
        (int objects, long bytes, DateTime until, List<string> good) = await ExtendAsync(kept, names,
            policy.RetainUntil(now), cancellationToken).ConfigureAwait(false);
        // Once only: what still fails then may fail for ever, and each attempt extends everything and adds a record.
        bool again = _mayPass && last?.Policy != NoPolicy;
        if (good.Count > 0)
            await RecordAsync(log, until, again ? NoPolicy : policyRecord, good, objects,
                cancellationToken).ConfigureAwait(false);
        return Result(kept.Count, objects, bytes, good.Count > 0 ? until : earliest);
    }

    private async Task<(int Objects, long Bytes, DateTime Until, List<string> Good)> ExtendAsync(
        List<RestorePoint> kept,
        List<AuditName> records, DateTime wanted, CancellationToken cancellationToken)
    {
        List<PointManifest> needing = await ReadManifestsAsync(kept, cancellationToken).ConfigureAwait(false);
        var packs = new NeededPacks(core, applianceId);
        foreach (PointManifest manifest in needing.ToList())
        {
            try
            {
                await packs.AddAsync(manifest.Disks.Select(d => d.Root), manifest.Companions,
                    cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException damage) when (IsDamage(damage))
            {
                Fail(manifest, damage);
                needing.Remove(manifest);
            }
        }
        var refused = new Dictionary<string, string>(StringComparer.Ordinal);
        IReadOnlyList<StoredObject> located = await packs.LocateAsync(null,
            missing => refused[missing] = $"The pack '{missing}' is missing.", cancellationToken).ConfigureAwait(false);
        var names = new HashSet<string>(located.Select(o => o.Name), StringComparer.Ordinal);
        // What all points need, and no single one can be blamed for.
        var shared = new HashSet<string>(
            await LockKeeper.FindRepositoryObjectsAsync(core, cancellationToken).ConfigureAwait(false),
            StringComparer.Ordinal);
        var sequences = new HashSet<long>(needing.Select(m => m.Run.Sequence));
        // Of the log what tells of these points, and the newest word of every setting.
        names.UnionWith(records.Where(r => sequences.Contains(r.Sequence)).Select(r => r.ObjectName));
        foreach (IGrouping<string, AuditName> setting in records
            .Where(r => r.Event is AuditEvents.RetentionSet or AuditEvents.ApplianceSet or AuditEvents.EnrolmentEnded)
            .GroupBy(r => r.Event))
            shared.Add(setting.Last().ObjectName);
        names.UnionWith(shared);
        foreach (PointManifest manifest in needing)
            names.UnionWith([Layout.Manifest(applianceId, manifest.Run), Layout.Delta(applianceId, manifest.Run)]);

        DateTime until = await LockExtension.ExtendAsync(locks, names, wanted, (name, failure) =>
        {
            lock (refused)
            {
                refused[name] = failure.Message;
                _mayPass |= MayPass(failure);
            }
        }, cancellationToken).ConfigureAwait(false) ?? wanted;
        if (refused.Count > 0) await BlameAsync(needing, records, refused, cancellationToken).ConfigureAwait(false);
        if (shared.FirstOrDefault(refused.ContainsKey) is string needed)
        {
            // Without it no point is locked, whatever became of the rest: nothing is recorded, and the next run tries
            // again.
            _failures[""] = $"The lock of '{needed}', which every point needs, could not be extended: "
                + refused[needed];
            needing.Clear();
        }
        return (names.Count - names.Count(refused.ContainsKey), located.Where(o => !refused.ContainsKey(o.Name))
            .Sum(o => o.Length), until, needing.ConvertAll(m => m.PointId));
    }

    /// <summary>
    /// Finds out which points need what could not be locked. Rare, so that each point's maps are walked by themselves.
    /// </summary>
    private async Task BlameAsync(List<PointManifest> needing, List<AuditName> records,
        Dictionary<string, string> refused, CancellationToken cancellationToken)
    {
        foreach (PointManifest manifest in needing.ToList())
        {
            var own = new NeededPacks(core, applianceId);
            await own.AddAsync(manifest.Disks.Select(d => d.Root), manifest.Companions,
                cancellationToken).ConfigureAwait(false);
            var names = new List<string> { Layout.Manifest(applianceId, manifest.Run), Layout.Delta(applianceId,
                manifest.Run) };
            names.AddRange(records.Where(r => r.Sequence == manifest.Run.Sequence).Select(r => r.ObjectName));
            names.AddRange((await own.LocateAsync(null, names.Add, cancellationToken).ConfigureAwait(false))
                .Select(o => o.Name));
            if (names.Find(refused.ContainsKey) is not string name) continue;
            _failures[manifest.PointId] = Sentence(manifest.ApplianceName, manifest.TimeUtc, refused[name]);
            needing.Remove(manifest);
        }
        if (_failures.Count == 0)
            _failures[""] =
                $"The locks of {Plural.Count(refused.Count, "object")} could not be extended: {refused.First().Value}";
    }

    private async Task<List<PointManifest>> ReadManifestsAsync(List<RestorePoint> kept,
        CancellationToken cancellationToken)
    {
        var wanted = new HashSet<string>(kept.Select(p => p.RestorePointId), StringComparer.Ordinal);
        List<Run> runs = (await manifests.ListAsync(applianceId,
            cancellationToken).ConfigureAwait(false)).FindAll(r => wanted.Contains(r.Id.ToString()));
        return [.. (await manifests.ReadAllAsync(applianceId, runs, fromCatalog: false,
            cancellationToken).ConfigureAwait(false))
            .Where(m => m.Manifest is not null)
            .Select(m => m.Manifest!)];
    }

    private Task RecordAsync(AuditLog log, DateTime until, string policyRecord, IReadOnlyCollection<string> points,
        int objects, CancellationToken cancellationToken) =>
        log.AppendAsync(RenewalRecord.Entry(applianceId, until, policyRecord, points, objects), core.SigningSeed,
            cancellationToken);

    private LockRenewal Result(int? kept, int objects, long bytes, DateTime? until) => new()
    {
        ApplianceId = applianceId,
        KeptPoints = kept,
        ExtendedObjects = objects,
        ExtendedBytes = bytes,
        LockedUntilUtc = until,
        NextRenewalUtc = until > DateTime.MinValue + policy.Period + policy.Lead
            ? until - policy.Period - policy.Lead
            : until,
        Failures = [.. _failures.Values],
    };

    private void Fail(PointManifest manifest, NataliaException failure)
    {
        _failures[manifest.PointId] = Sentence(manifest.ApplianceName, manifest.TimeUtc, failure.Message);
        _mayPass |= MayPass(failure);
    }

    private static string Sentence(string appliance, DateTime timeUtc, string why) =>
        $"The locks of the point {appliance} {timeUtc:yyyy-MM-dd HH:mm:ss}Z could not be extended: {why}";

    private static bool IsDamage(NataliaException failure) =>
        failure.ErrorId is ErrorIds.BlockMapDamaged or ErrorIds.PackMissing or ErrorIds.ObjectDamaged
            or ErrorIds.ObjectNotFound;

    /// <summary>
    /// Whether the next run may succeed. What cannot be read is told as damage, with what the store said inside.
    /// </summary>
    private static bool MayPass(NataliaException failure)
    {
        for (Exception? cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (cause is NataliaException known && RetryPolicy.IsTransient(known)) return true;
        }
        return false;
    }

    private static string NewestPolicy(List<AuditName> names) =>
        names.FindLast(n => n.Event == AuditEvents.RetentionSet)?.Id.ToString() ?? "";

    private static string NewestProtection(List<AuditName> names) =>
        names.FindLast(n => n.Event is AuditEvents.PointProtected or AuditEvents.PointUnprotected)?.Id.ToString() ?? "";
}
