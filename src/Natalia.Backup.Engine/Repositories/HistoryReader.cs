using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>
/// Reads what a repository knows of one appliance with one listing of its log and one of its manifests, and no more
/// records than the time asks for. Remembers none of them: a thousand appliances have millions.
/// </summary>
internal sealed class HistoryReader(RepositoryCore core, PointListing listing)
{
    /// <summary>
    /// So many records are read together. Where all of them are older than the time, so is what lies before them:
    /// clocks that were wrong for a while do not end the search.
    /// </summary>
    private const int Batch = 128;

    /// <summary>Enough to hide the latency of a bucket, few enough not to be throttled.</summary>
    private const int ReadsAtOnce = 16;

    /// <summary>So many of the newest verifications are looked at when none lies in the time.</summary>
    private const int OlderVerifications = 16;

    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    internal async Task<ApplianceHistory> ReadAsync(string applianceId, DateTime sinceUtc,
        Action<NataliaException> onDamage, CancellationToken cancellationToken)
    {
        AuditLog log = core.ApplianceLog(applianceId);
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyList<RestorePoint> points = await listing.ReadAsync(applianceId, log, names,
            new RestorePointFilter { IncludeUnreadable = true }, onDamage, cancellationToken).ConfigureAwait(false);
        (ApplianceSettings Settings, AuditRecord Record)? word = await ApplianceBook.FindWordAsync(applianceId, log,
            names, cancellationToken).ConfigureAwait(false);
        bool isEnrolled = word is not null && word.Value.Record.Event == AuditEvents.ApplianceSet;
        (ApplianceSettings Settings, AuditRecord Record)? enrolled = isEnrolled ? word : null;
        DamageState damage = await DamageRecords.ReadAsync(log, names, cancellationToken).ConfigureAwait(false);
        var made = new List<MadePoint>();
        // A name is no record: what was deleted past the log must not look removed because somebody put a file there.
        var removed = new Dictionary<long, DateTime>();
        var verified = new Dictionary<string, DateTime>(StringComparer.Ordinal);
        var hashes = new Dictionary<string, string>(StringComparer.Ordinal);
        var evidence = new List<AuditRecord>();
        object gate = new();
        int begin = await ReadBackAsync(log, names, sinceUtc, Take, onDamage, cancellationToken).ConfigureAwait(false);
        // Restore tests are few, and tell of more than the time; so does the last verification.
        List<AuditName> older = names.GetRange(0, begin).FindAll(n => n.Event == AuditEvents.RestoreTested);
        if (verified.Count == 0)
        {
            List<AuditName> verifications = names.GetRange(0, begin).FindAll(n => n.Event == AuditEvents.PointVerified);
            older.AddRange(verifications.Skip(verifications.Count - OlderVerifications));
        }
        foreach (AuditRecord? record in await InParallel.SelectAsync(older, ReadsAtOnce,
            n => TryReadAsync(log, n, onDamage, gate, cancellationToken), cancellationToken).ConfigureAwait(false))
            if (record is not null) Take(record);
        return new ApplianceHistory
        {
            ApplianceId = applianceId,
            Name = enrolled?.Settings.Name ?? points.FirstOrDefault()?.ApplianceName
                ?? await ApplianceBook.FindNameAsync(log, names, cancellationToken).ConfigureAwait(false),
            Settings = enrolled?.Settings,
            SettingsUtc = enrolled?.Record.TimeUtc,
            EnrolmentEndedUtc = isEnrolled ? null : word?.Record.TimeUtc,
            SettingsRecordHash = enrolled?.Record.RecordHash,
            RetentionPolicy = await PolicyBook.ReadAsync(applianceId, log, names,
                cancellationToken).ConfigureAwait(false),
            Points = points,
            Made = [.. made.Select(m => removed.TryGetValue(m.Sequence, out DateTime at)
                ? m with { RemovedUtc = at }
                : m)],
            FirstMadeUtc = await FindFirstAsync(log, names, damage, cancellationToken).ConfigureAwait(false),
            VerifiedUtc = verified,
            VerificationHashes = hashes,
            Evidence = evidence,
        };

        void Take(AuditRecord record)
        {
            switch (record.Event)
            {
                case AuditEvents.PointMade:
                    if (Made(record, damage) is MadePoint point) made.Add(point);
                    break;
                case AuditEvents.PointRemoved:
                    if (record.Sequence is long gone) removed[gone] = record.TimeUtc;
                    break;
                case AuditEvents.PointVerified:
                    if (record.RestorePointId is not string id
                        || (verified.TryGetValue(id, out DateTime known) && known >= record.TimeUtc))
                        break;
                    verified[id] = record.TimeUtc;
                    hashes[id] = record.RecordHash;
                    break;
                case AuditEvents.RestoreTested:
                    evidence.Add(record);
                    break;
                default:
                    if (NativeRecords.IsOne(record.Event))
                        evidence.Add(record with
                        {
                            RepositoryId = core.RepositoryId,
                            Repository = core.Options.Label,
                            NativeRepositoryId = NativeRecords.RepositoryOf(record),
                        });
                    break;
            }
        }
    }

    /// <summary>When the first point was made, by the first record of one that can be read.</summary>
    private static async Task<DateTime?> FindFirstAsync(AuditLog log, List<AuditName> names, DamageState damage,
        CancellationToken cancellationToken)
    {
        foreach (AuditName name in names.Where(n => n.Event == AuditEvents.PointMade).Take(16))
        {
            try
            {
                if (Made(await log.ReadAsync(name, cancellationToken).ConfigureAwait(false), damage)
                    is MadePoint first)
                    return first.TimeUtc;
            }
            catch (FormatException)
            {
                // The next one tells nearly as well, and what reads all records tells of this one.
            }
        }
        return null;
    }

    /// <summary>Reads records from the newest back, until a whole batch of them is older than a time.</summary>
    /// <returns>Where in the list those begin that were read.</returns>
    private static async Task<int> ReadBackAsync(AuditLog log, List<AuditName> names, DateTime sinceUtc,
        Action<AuditRecord> take, Action<NataliaException> onDamage, CancellationToken cancellationToken)
    {
        var named = new HashSet<string>(StringComparer.Ordinal);
        int end = names.Count;
        while (end > 0)
        {
            int begin = Math.Max(0, end - Batch);
            List<AuditName> batch = names.GetRange(begin, end - begin);
            IReadOnlyList<(AuditRecord? Record, FormatException? Damage)> read = await log.ReadLinkedAsync(batch, named,
                cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < batch.Count; i++)
            {
                if (read[i].Record is AuditRecord record) take(record);
                else onDamage(Untrusted(batch[i], read[i].Damage!));
            }
            end = begin;
            // A batch without any record tells nothing of what lies before it: names may be anybody's.
            if (read.Any(r => r.Record is not null)
                && read.All(r => r.Record is null || r.Record.TimeUtc < sinceUtc))
                break;
        }
        return end;
    }

    private static async Task<AuditRecord?> TryReadAsync(AuditLog log, AuditName name,
        Action<NataliaException> onDamage, object gate, CancellationToken cancellationToken)
    {
        try
        {
            return await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (FormatException damage)
        {
            lock (gate) onDamage(Untrusted(name, damage));
            return null;
        }
    }

    private static NataliaException Untrusted(AuditName name, FormatException damage) =>
        new(ErrorIds.AuditChainBroken, NataliaErrorKind.Security,
            $"The audit record '{name.ObjectName}' cannot be trusted, and is left out: {damage.Message}",
            name.ObjectName, "Test-NataliaAudit tells what was done to the log.", damage);

    /// <summary>What the record of a making says; null when it says too little to count.</summary>
    private static MadePoint? Made(AuditRecord record, DamageState damage)
    {
        if (record.RestorePointId is not string id) return null;
        using JsonDocument document = JsonDocument.Parse(record.Data ?? "{}");
        JsonElement data = document.RootElement;
        long sequence = record.Sequence ?? 0;
        try
        {
            if (data.ReadTimeOrNull("timeUtc") is not DateTime time) return null;
            return new MadePoint
            {
                RestorePointId = id,
                Sequence = sequence,
                TimeUtc = time,
                RecordedUtc = record.TimeUtc,
                RecordHash = record.RecordHash,
                Type = data.ReadEnum<BackupType>("type"),
                Consistency = data.ReadEnum<Consistency>("consistency"),
                StoredBytes = data.ReadLongOrNull("storedBytes"),
                OriginalRestorePointId = PointOrigin.Read(data)?.PointId,
                FoundDamagedUtc = damage.Points.TryGetValue(sequence, out DateTime found) ? found : null,
            };
        }
        catch (FormatException)
        {
            // Of a newer version, in another way: what cannot be understood is no evidence.
            return null;
        }
    }
}
