using System.Globalization;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>Makes evidence of an appliance's points in one repository. Pure.</summary>
internal static class EvidencePoints
{
    /// <summary>The points that are there, and those that were recorded, in no particular order.</summary>
    /// <param name="repository">The repository's session.</param>
    /// <param name="history">What it knows of the appliance.</param>
    /// <param name="records">Records about it in another repository's log, where it keeps none of its own.</param>
    /// <param name="tests">The restore tests of the appliance.</param>
    /// <param name="timeZoneId">The zone of its retention; null where the policy's own counts.</param>
    /// <param name="nowUtc">When it is measured.</param>
    internal static IReadOnlyList<EvidencePoint> Of(RepositorySession repository, ApplianceHistory history,
        IReadOnlyList<AuditRecord> records, IReadOnlyList<RestoreTest> tests, string? timeZoneId, DateTime nowUtc)
    {
        Dictionary<string, DateTime> verified = new(StringComparer.Ordinal);
        foreach (KeyValuePair<string, DateTime> one in history.VerifiedUtc) Verify(one.Key, one.Value);
        foreach (RestoreTest test in tests)
            // One that ran from the repository has read what its guest asked for, and not the whole point; one with a
            // system image has not read a system disk that the point holds.
            if (test is { Result: RestoreTestResult.Passed, IsFromRepository: false }
                && test.RepositoryId == repository.RepositoryId
                && (test.SystemImage is null || !HoldsSystemDisk(history.Points, test.RestorePointId)))
                Verify(test.RestorePointId, test.StartedUtc);
        Dictionary<string, MadePoint> made = new(StringComparer.Ordinal);
        foreach (MadePoint point in history.Made) made[point.RestorePointId] = point;
        IReadOnlyDictionary<string, string?> keptBy = KeptBy(history, timeZoneId, nowUtc);
        List<EvidencePoint> all = [];
        HashSet<string> there = new(StringComparer.Ordinal);
        foreach (RestorePoint point in history.Points)
        {
            if (!there.Add(point.RestorePointId)) continue;
            made.TryGetValue(point.RestorePointId, out MadePoint? record);
            DateTime? native = point.Verification == VerificationState.Good
                ? point.VerifiedUtc ?? point.TimeUtc
                : null;
            DateTime? logged = LoggedOf(point.RestorePointId);
            all.Add(Kept(point, record, repository, logged is null || native > logged ? native ?? logged : logged,
                keptBy.TryGetValue(point.RestorePointId, out string? by) ? by : null));
        }
        foreach (MadePoint point in made.Values)
            if (!there.Contains(point.RestorePointId))
                all.Add(Gone(point, repository, LoggedOf(point.RestorePointId), nowUtc));
        all.AddRange(Recorded(records, there, repository));
        return all;

        void Verify(string id, DateTime at)
        {
            if (!verified.TryGetValue(id, out DateTime known) || known < at) verified[id] = at;
        }

        DateTime? LoggedOf(string id) => verified.TryGetValue(id, out DateTime at) ? at : null;
    }

    /// <summary>
    /// Whether a point holds a system disk. Of one that is gone nothing tells but what others of the appliance hold.
    /// </summary>
    private static bool HoldsSystemDisk(IReadOnlyList<RestorePoint> points, string id) =>
        (points.FirstOrDefault(p => p.RestorePointId == id) is RestorePoint tested ? [tested] : points)
        .Any(p => p.Disks.Any(d => d.Role == DiskRole.System));

    private static EvidencePoint Kept(RestorePoint point, MadePoint? record, RepositorySession repository,
        DateTime? verifiedUtc, string? keptBy)
    {
        (EvidencePointState state, string? trouble) = point switch
        {
            { IsReadable: false } => (EvidencePointState.Damaged, "Its manifest cannot be read."),
            { Verification: VerificationState.Failed } => (EvidencePointState.Damaged,
                point.VerifiedUtc is DateTime found
                    ? $"It was found damaged on {Text.TimeText.Utc(found)}."
                    : "It is known to be damaged."),
            { IsFinished: false } => (EvidencePointState.Doubtful,
                "It is not finished: a backup still writes it, or was broken off."),
            { IsRenamed: true } => (EvidencePointState.Doubtful, "Its file was renamed, so its time is not certain."),
            { IsInFuture: true } => (EvidencePointState.Doubtful, "Its time lies in the future."),
            _ => (verifiedUtc is null ? EvidencePointState.Unverified : EvidencePointState.Verified, (string?)null),
        };
        return new EvidencePoint
        {
            RestorePointId = point.RestorePointId,
            RepositoryId = repository.RepositoryId,
            Repository = repository.Name,
            TimeUtc = point.TimeUtc,
            State = state,
            Trouble = trouble,
            HypervisorKind = point.HypervisorKind,
            Type = point.Type,
            Consistency = point.Consistency,
            SizeBytes = point.SizeBytes,
            AllocatedBytes = point.Disks.Count == 0 ? null : point.Disks.Sum(d => d.AllocatedBytes),
            StoredBytes = point.StoredBytes,
            IsKept = true,
            KeptBy = keptBy,
            IsProtected = point.IsProtected,
            ImmutableUntilUtc = point.ImmutableUntilUtc,
            VerifiedUtc = state == EvidencePointState.Verified ? verifiedUtc : null,
            RecordHash = record?.RecordHash,
            OriginalRestorePointId = point.OriginalRestorePointId,
        };
    }

    private static EvidencePoint Gone(MadePoint point, RepositorySession repository, DateTime? verifiedUtc,
        DateTime nowUtc)
    {
        (EvidencePointState state, string? trouble) = point switch
        {
            { IsLost: true } => (EvidencePointState.Damaged, "A repair gave it up, because it was lost."),
            { FoundDamagedUtc: DateTime } => (EvidencePointState.Damaged, "It was found damaged."),
            { RemovedUtc: null } => (EvidencePointState.Missing,
                "The log tells that it was made, and nothing of its removal; it is not there."),
            _ when point.TimeUtc > nowUtc + TimeSpan.FromMinutes(15) => (EvidencePointState.Doubtful,
                "Its time lies in the future."),
            _ => (verifiedUtc is null ? EvidencePointState.Unverified : EvidencePointState.Verified, (string?)null),
        };
        return new EvidencePoint
        {
            RestorePointId = point.RestorePointId,
            RepositoryId = repository.RepositoryId,
            Repository = repository.Name,
            TimeUtc = point.TimeUtc,
            State = state,
            Trouble = trouble,
            Type = point.Type,
            Consistency = point.Consistency,
            StoredBytes = point.StoredBytes,
            RemovedUtc = point.RemovedUtc,
            VerifiedUtc = state == EvidencePointState.Verified ? verifiedUtc : null,
            RecordHash = point.RecordHash,
            OriginalRestorePointId = point.OriginalRestorePointId,
        };
    }

    /// <summary>
    /// Points of a storage without a log that this product made and recorded elsewhere, and that are gone since: the
    /// storage's own retention takes them, and nobody records that.
    /// </summary>
    private static IEnumerable<EvidencePoint> Recorded(IReadOnlyList<AuditRecord> records, HashSet<string> there,
        RepositorySession repository)
    {
        HashSet<string> damaged = FoundDamaged(records, repository);
        foreach (AuditRecord record in records)
        {
            if (record.Event != "native-point-made" || record.NativeRepositoryId != repository.RepositoryId
                || record.RestorePointId is not string id || !there.Add(id) || PointTime(record) is not DateTime time)
                continue;
            yield return new EvidencePoint
            {
                RestorePointId = id,
                RepositoryId = repository.RepositoryId,
                Repository = repository.Name,
                TimeUtc = time,
                State = damaged.Contains(id) ? EvidencePointState.Damaged : EvidencePointState.Unverified,
                Trouble = damaged.Contains(id) ? "It was found damaged." : null,
                RecordHash = record.RecordHash,
            };
        }
    }

    /// <summary>
    /// The points of which the newest record of a verification that came to an end says that the storage's own failed.
    /// </summary>
    private static HashSet<string> FoundDamaged(IReadOnlyList<AuditRecord> records, RepositorySession repository)
    {
        var damaged = new HashSet<string>(StringComparer.Ordinal);
        foreach (AuditRecord record in records.Where(r => r.Event == "native-point-verified"
            && r.NativeRepositoryId == repository.RepositoryId).OrderBy(r => r.TimeUtc))
        {
            if (record.RestorePointId is not string id || record.Data is null) continue;
            using var document = System.Text.Json.JsonDocument.Parse(record.Data);
            // Present, Verification, and how old it is: each with its outcome, and what was found behind it.
            string? outcome = document.RootElement.TryGetProperty("details", out System.Text.Json.JsonElement details)
                && details.ValueKind == System.Text.Json.JsonValueKind.Object
                && details.TryGetProperty("Verification", out System.Text.Json.JsonElement text)
                && text.ValueKind == System.Text.Json.JsonValueKind.String
                ? text.GetString()
                : null;
            if (outcome is null) continue;
            if (outcome.StartsWith(nameof(CheckOutcome.Failed), StringComparison.Ordinal)) damaged.Add(id);
            else if (outcome.StartsWith(nameof(CheckOutcome.Passed), StringComparison.Ordinal)) damaged.Remove(id);
        }
        return damaged;
    }

    private static DateTime? PointTime(AuditRecord record)
    {
        if (record.Data is null) return null;
        using var document = System.Text.Json.JsonDocument.Parse(record.Data);
        return document.RootElement.TryGetProperty("pointTimeUtc", out System.Text.Json.JsonElement text)
            && text.ValueKind == System.Text.Json.JsonValueKind.String
            && DateTime.TryParse(text.GetString(), CultureInfo.InvariantCulture,
                DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out DateTime time)
            ? time
            : null;
    }

    /// <summary>What keeps each point, in a few words.</summary>
    private static IReadOnlyDictionary<string, string?> KeptBy(ApplianceHistory history, string? timeZoneId,
        DateTime nowUtc)
    {
        if (history.Points.Count == 0) return new Dictionary<string, string?>();
        RetentionPolicy policy = history.RetentionPolicy?.Policy ?? new RetentionPolicy();
        if (timeZoneId is not null) policy = policy with { TimeZoneId = timeZoneId };
        return RetentionPlanner.Plan(history.Points.Select(RetentionPoint.From), policy, nowUtc)
            .GroupBy(r => r.RestorePointId!, StringComparer.Ordinal)
            .ToDictionary(g => g.Key, g => Words(g.First(), policy), StringComparer.Ordinal);
    }

    private static string? Words(RetentionPlanRow row, RetentionPolicy policy) => row.Action switch
    {
        RetentionAction.Protected => "protected",
        RetentionAction.Locked => "its lock",
        RetentionAction.Remove => null,
        _ when row.Slot is int slot => $"{row.Rule.ToString().ToLowerInvariant()} {slot} of {row.SlotLimit}",
        _ when row.Rule == RetentionRule.NewestGood => "the newest good point",
        _ when row.Rule == RetentionRule.InUse => "a restore that reads it",
        _ => policy.KeepsEverything ? "no policy is set" : "by hand only",
    };
}
