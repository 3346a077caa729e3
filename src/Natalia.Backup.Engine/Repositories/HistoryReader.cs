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
        // By their ids: of two points with one sequence, the removal of the one says nothing of the other.
        var removed = new Dictionary<string, (DateTime AtUtc, bool IsLost)>(StringComparer.Ordinal);
        var verified = new Dictionary<string, DateTime>(StringComparer.Ordinal);
        var hashes = new Dictionary<string, string>(StringComparer.Ordinal);
        var evidence = new List<AuditRecord>();
        AuditRecord? last = null;
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
        // A point that retention took was verified all the same: what it was, the records of its making and its removal
        // tell, however old they are.
        if (last?.RestorePointId is string id && last.Sequence is long sequence
            && !made.Exists(m => m.RestorePointId == id) && !points.Any(p => p.RestorePointId == id))
            foreach (AuditRecord? record in await InParallel.SelectAsync(names.GetRange(0, begin).FindAll(
                n => n.Sequence == sequence && n.Event is AuditEvents.PointMade or AuditEvents.PointRemoved),
                ReadsAtOnce, n => TryReadAsync(log, n, onDamage, gate, cancellationToken),
                cancellationToken).ConfigureAwait(false))
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
            Made = [.. made.Select(m => removed.TryGetValue(m.RestorePointId, out (DateTime AtUtc, bool IsLost) removal)
                ? m with { RemovedUtc = removal.AtUtc, IsLost = removal.IsLost }
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
                    if (record.RestorePointId is string gone) removed[gone] = (record.TimeUtc, IsLost(record));
                    break;
                case AuditEvents.PointVerified:
                    if (record.RestorePointId is not string read
                        || (verified.TryGetValue(read, out DateTime known) && known >= record.TimeUtc))
                        break;
                    verified[read] = record.TimeUtc;
                    hashes[read] = record.RecordHash;
                    if (last is null || last.TimeUtc < record.TimeUtc) last = record;
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

    /// <summary>
    /// Reads records from the newest back, until a whole batch of them is older than a time, and tells of those that
    /// others name and that are not there.
    /// </summary>
    /// <returns>Where in the list those begin that were read.</returns>
    private static async Task<int> ReadBackAsync(AuditLog log, List<AuditName> names, DateTime sinceUtc,
        Action<AuditRecord> take, Action<NataliaException> onDamage, CancellationToken cancellationToken)
    {
        var named = new HashSet<string>(StringComparer.Ordinal);
        var links = new LogLinks();
        int end = names.Count;
        while (end > 0)
        {
            int begin = Math.Max(0, end - Batch);
            bool isAnyThere = false, isAllOld = true;
            foreach (AuditRecord record in await ReadAsync(names.GetRange(begin, end - begin)).ConfigureAwait(false))
            {
                isAnyThere = true;
                isAllOld &= record.TimeUtc < sinceUtc;
            }
            end = begin;
            // A batch without any record tells nothing of what lies before it: names may be anybody's.
            if (isAnyThere && isAllOld) break;
        }
        long first = end == 0 ? 0 : names[end].Number;
        if (links.FindMissing(first).Count == 0) return end;
        // A list that was made while somebody wrote may hold the later of two records and not the earlier one.
        HashSet<string> listed = new(names.Select(n => n.ObjectName), StringComparer.Ordinal);
        await ReadAsync((await log.ListAsync(cancellationToken).ConfigureAwait(false))
            .FindAll(n => n.Number >= first && !listed.Contains(n.ObjectName))).ConfigureAwait(false);
        foreach (AuditRecord record in links.FindMissing(first))
            onDamage(new NataliaException(ErrorIds.AuditChainBroken, NataliaErrorKind.Security,
                $"An audit record that the one with the number {record.Number} names is missing: what it told, of a "
                + "restore test that failed or of a removal, does not count.",
                record.RecordHash, "Test-NataliaAudit tells what was done to the log."));
        return end;

        async Task<List<AuditRecord>> ReadAsync(List<AuditName> batch)
        {
            IReadOnlyList<(AuditRecord? Record, FormatException? Damage)> read = await log.ReadLinkedAsync(batch, named,
                cancellationToken).ConfigureAwait(false);
            List<AuditRecord> records = [];
            for (int i = 0; i < batch.Count; i++)
            {
                if (read[i].Record is AuditRecord record)
                {
                    records.Add(record);
                    links.Add(record);
                    take(record);
                }
                else
                {
                    links.AddDamaged(batch[i]);
                    onDamage(Untrusted(batch[i], read[i].Damage!));
                }
            }
            return records;
        }
    }

    /// <summary>Which records name others. Keeps no more of them than that: there may be very many.</summary>
    private sealed class LogLinks
    {
        private readonly HashSet<string> _there = new(StringComparer.Ordinal);
        private readonly HashSet<long> _damaged = [];
        private readonly Dictionary<string, AuditRecord> _named = new(StringComparer.Ordinal);

        internal void Add(AuditRecord record)
        {
            _there.Add(record.RecordHash);
            _named.Remove(record.RecordHash);
            foreach (string head in record.Heads.Where(h => !_there.Contains(h))) _named[head] = record;
        }

        internal void AddDamaged(AuditName name) => _damaged.Add(name.Number);

        /// <summary>
        /// The records that name one that is not there, although all were read from a number on. One that is damaged is
        /// told already.
        /// </summary>
        internal IReadOnlyList<AuditRecord> FindMissing(long first) =>
            [.. _named.Where(n => !_there.Contains(n.Key)
                    && (n.Value.Heads.Count == 1
                        // It has the number before.
                        ? (n.Value.Number - 1 > first || first == 0) && !_damaged.Contains(n.Value.Number - 1)
                        : first == 0 && _damaged.Count == 0))
                .Select(n => n.Value).Distinct().OrderBy(r => r.Number)];
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

    private static bool IsLost(AuditRecord removal)
    {
        using JsonDocument data = JsonDocument.Parse(removal.Data ?? "{}");
        return RemovalRecord.IsLost(data.RootElement);
    }

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
