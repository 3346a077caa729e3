using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Points;

/// <summary>Lists the points of a repository, and tells what of them is damaged, missing, or none at all.</summary>
internal sealed class PointListing(RepositoryCore core, ManifestReader manifests, PointDescriber describer)
{
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ManifestDamaged</c>.</exception>
    internal async Task<IReadOnlyList<RestorePoint>> ReadAsync(RestorePointFilter filter,
        Action<NataliaException>? onDamage, Action<MissingPoints>? onMissing, CancellationToken cancellationToken)
    {
        _ = core.Keys;
        IReadOnlyList<string> appliances = filter.ApplianceId is string one
            ? [one]
            : await core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false);
        var points = new List<RestorePoint>();
        foreach (string appliance in appliances)
            await AddAsync(points, appliance, filter, onDamage, onMissing, cancellationToken).ConfigureAwait(false);
        points.Sort((a, b) => b.CompareTo(a));
        return points;
    }

    private async Task AddAsync(
        List<RestorePoint> points, string appliance, RestorePointFilter filter, Action<NataliaException>? onDamage,
        Action<MissingPoints>? onMissing, CancellationToken cancellationToken)
    {
        List<Run> runs = await manifests.ListAsync(appliance, cancellationToken).ConfigureAwait(false);
        if (runs.Count == 0 && onMissing is null) return;
        AuditLog log = core.ApplianceLog(appliance);
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        await AddAsync(points, appliance, runs, log, names, filter, onDamage, onMissing,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The points of one appliance, whose log was listed already, newest first.</summary>
    internal async Task<IReadOnlyList<RestorePoint>> ReadAsync(string applianceId, AuditLog log, List<AuditName> names,
        RestorePointFilter filter, Action<NataliaException>? onDamage, CancellationToken cancellationToken)
    {
        _ = core.Keys;
        var points = new List<RestorePoint>();
        await AddAsync(points, applianceId,
            await manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false), log, names, filter,
            onDamage, null, cancellationToken).ConfigureAwait(false);
        points.Sort((a, b) => b.CompareTo(a));
        return points;
    }

    private async Task AddAsync(List<RestorePoint> points, string appliance, List<Run> runs, AuditLog log,
        List<AuditName> names, RestorePointFilter filter, Action<NataliaException>? onDamage,
        Action<MissingPoints>? onMissing, CancellationToken cancellationToken)
    {
        if (onMissing is not null
            && await FindMissingAsync(appliance, log, names, runs,
                cancellationToken).ConfigureAwait(false) is MissingPoints missing)
            onMissing(missing);
        if (runs.Count == 0) return;
        PointStates states = await PointStates.ReadAsync(log, names, new HashSet<long>(runs.Select(r => r.Sequence)),
            cancellationToken).ConfigureAwait(false);
        runs.RemoveAll(r => states.IsRemoved(r.Id.ToString()));
        IReadOnlyList<RenewalRecord> renewals = await describer.ReadRenewalsAsync(log, names,
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<(Run Run, PointManifest? Manifest, NataliaException? Damage)> read =
            await manifests.ReadAllAsync(appliance,
            runs, fromCatalog: true, cancellationToken).ConfigureAwait(false);
        HashSet<Run> strange = await StrangeManifests.FindUnrecordedAsync(log, names,
            read.Where(r => r.Damage is not null).Select(r => r.Run), cancellationToken).ConfigureAwait(false);
        if (strange.Count > 0 && onDamage is not null) onDamage(Strange(appliance, strange));
        foreach ((Run run, PointManifest? manifest, NataliaException? damage) in read)
        {
            if (strange.Contains(run)) continue;
            if (damage is not null)
            {
                RestorePoint? unreadable = await describer.DescribeUnreadableAsync(appliance, run, log, names, states,
                    cancellationToken).ConfigureAwait(false);
                NataliaException trouble = unreadable is null ? damage : Unreadable(unreadable, damage);
                if (onDamage is null) throw trouble;
                onDamage(trouble);
                if (unreadable is not null && filter.IncludeUnreadable && filter.Spans(unreadable.TimeUtc))
                    points.Add(unreadable);
                continue;
            }
            if (manifest!.Incomplete || !filter.Spans(manifest.TimeUtc)) continue;
            points.Add(describer.Describe(manifest, states, renewals));
        }
    }

    /// <summary>
    /// The points that the log knows as made and not as removed, and that have no manifest; null without any.
    /// </summary>
    private async Task<MissingPoints?> FindMissingAsync(string applianceId, AuditLog log, List<AuditName> names,
        List<Run> runs, CancellationToken cancellationToken)
    {
        var there = new HashSet<long>(runs.Select(r => r.Sequence));
        List<AuditName> made = names.FindAll(n => n.Event == AuditEvents.PointMade && !there.Contains(n.Sequence));
        IReadOnlyList<AuditRecord> twins = await MissingManifests.FindTwinsAsync(log, names, runs,
            cancellationToken).ConfigureAwait(false);
        if (made.Count > 0)
        {
            HashSet<long> removed = await FindRemovedAsync(log, names, there, cancellationToken).ConfigureAwait(false);
            made.RemoveAll(n => removed.Contains(n.Sequence));
        }
        if (made.Count + twins.Count == 0) return null;
        // A point that was made since the manifests were listed is not missing.
        HashSet<Run> present = [.. await manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false)];
        var sequences = new HashSet<long>(present.Select(r => r.Sequence));
        made.RemoveAll(n => sequences.Contains(n.Sequence));
        int count = 0;
        string? name = null;
        DateTime newest = DateTime.MinValue;
        foreach (AuditRecord? record in (await log.ReadAllAsync(made, cancellationToken).ConfigureAwait(false))
            .Concat(twins.Where(t => !MissingManifests.IsThere(t, present))))
        {
            // A name alone may be anybody's.
            if (record?.RestorePointId is null) continue;
            count++;
            if (record.TimeUtc > newest) newest = record.TimeUtc;
            using JsonDocument data = JsonDocument.Parse(record.Data ?? "{}");
            name = data.RootElement.ReadStringOrNull("name") ?? name;
        }
        return count == 0 ? null : new MissingPoints(applianceId, name, count, newest);
    }

    /// <summary>
    /// The sequences of the points that were removed on purpose and have no manifest. A name that was added to a log
    /// has a number that a record has already, or one above the newest record: those are read. All others are not,
    /// because retention leaves thousands of them. Who puts a file in the place of a record could as well take the
    /// record of the making away, and no list would know of the point: that is for Test-NataliaAudit to find.
    /// </summary>
    private static async Task<HashSet<long>> FindRemovedAsync(AuditLog log, List<AuditName> names, HashSet<long> there,
        CancellationToken cancellationToken)
    {
        var removed = new HashSet<long>();
        AuditName? newest = await log.FindNewestAsync(names, 0, cancellationToken).ConfigureAwait(false);
        var doubtful = new List<AuditName>();
        for (int i = 0; i < names.Count && names[i].Number <= newest?.Number; i++)
        {
            AuditName name = names[i];
            if (name.Event != AuditEvents.PointRemoved || there.Contains(name.Sequence)) continue;
            bool isAlone = (i == 0 || names[i - 1].Number != name.Number)
                && (i + 1 == names.Count || names[i + 1].Number != name.Number);
            if (isAlone) removed.Add(name.Sequence);
            else doubtful.Add(name);
        }
        IReadOnlyList<AuditRecord?> read = await log.ReadAllAsync(doubtful, cancellationToken).ConfigureAwait(false);
        for (int i = 0; i < read.Count; i++)
            if (read[i] is not null) removed.Add(doubtful[i].Sequence);
        return removed;
    }

    /// <summary>One word for all that lies among an appliance's manifests and that nobody knows as a point.</summary>
    private NataliaException Strange(string applianceId, IReadOnlyCollection<Run> runs)
    {
        string room = Layout.Manifests(applianceId),
            first = Layout.Manifest(applianceId, runs.OrderBy(r => r.ToString(), StringComparer.Ordinal).First());
        string location = core.Store.Location;
        return new NataliaException(ErrorIds.ManifestUnknown, NataliaErrorKind.InvalidData,
            (runs.Count == 1
                ? $"'{first}' in {location} cannot be read, and the audit log does not know it as a restore point. It "
                    + "is not counted as one"
                : $"{runs.Count} objects under '{room}' in {location} cannot be read, and the audit log does not know "
                    + $"them as restore points, '{first}' among them. They are not counted as such")
            + ": a checkpoint of an interrupted run that was damaged, or something that somebody put there.", room,
            "Repair-NataliaRepository -WhatIf tells more. No restore point needs what is not one.");
    }

    /// <summary>The damage of a manifest in the words of who looks for the point.</summary>
    private static NataliaException Unreadable(RestorePoint point, NataliaException damage) =>
        new(damage.ErrorId, damage.Kind,
        $"The restore point {point} ({point.RestorePointId}) cannot be read. {damage.Message}", point.RestorePointId,
        damage.RecommendedAction, damage);
}
