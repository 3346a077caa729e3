using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Audit;

/// <summary>
/// Where a record stands, told by its name alone, so that a reader fetches only the kinds that it needs.
/// </summary>
internal sealed record AuditName(string ObjectName, long Number, string Event, long Sequence, Id128 Id)
{
    private const int NumberLength = 12, IdLength = 32;

    internal static AuditName? Parse(string objectName)
    {
        // NUMBER.EVENT.SEQUENCE.ID: all but the event have a fixed length, and no dot. A log has thousands of names.
        int start = objectName.LastIndexOf('/') + 1, end = objectName.Length - IdLength;
        int sequenceAt = end - 1 - NumberLength, eventAt = start + NumberLength + 1;
        if (sequenceAt - 1 < eventAt || objectName[eventAt - 1] != '.' || objectName[sequenceAt - 1] != '.'
            || objectName[end - 1] != '.'
            || !Layout.TryParseNumber(objectName.AsSpan(start, NumberLength), out long number)
            || !Layout.TryParseNumber(objectName.AsSpan(sequenceAt, NumberLength), out long sequence)
            || !Id128.TryParse(objectName.Substring(end), out Id128 id))
            return null;
        string what = objectName.Substring(eventAt, sequenceAt - 1 - eventAt);
        return what.IndexOf('.') < 0 ? new AuditName(objectName, number, what, sequence, id) : null;
    }

    /// <summary>The object behind the name as it was listed; null where it was not.</summary>
    internal StoredObject? Object { get; init; }

    internal static string Format(string prefix, long number, string what, long sequence, Id128 id) =>
        $"{prefix}{Layout.Number(number)}.{what}.{Layout.Number(sequence)}.{id}";
}

/// <summary>What a record says; the log adds who, when and what came before.</summary>
internal sealed record AuditEntry(string Event)
{
    internal string? ApplianceId { get; init; }
    internal string? RestorePointId { get; init; }
    internal long Sequence { get; init; }
    internal string? Reason { get; init; }
    internal Action<Utf8JsonWriter>? WriteData { get; init; }
}

/// <summary>
/// One log of signed records: the repository's or an appliance's. Records name the heads that their writer saw, so that
/// two writers at once make a fork, not a break. docs/format.md §9.
/// </summary>
/// <param name="store">Where it lies.</param>
/// <param name="applianceId">Whose log it is; null for the repository's own.</param>
/// <param name="publicKey">The key that must have signed.</param>
/// <param name="clock">Dates the records.</param>
/// <param name="known">Where <see cref="ReadAllAsync"/> remembers what it found. Null remembers nothing.</param>
/// <param name="passesOver">Which failures to read a record are treated like a record that is damaged; null for
/// none.</param>
internal sealed class AuditLog(IObjectStore store, string? applianceId, byte[] publicKey, TimeProvider clock,
    KnownRecords? known = null, Func<NataliaException, bool>? passesOver = null)
{
    /// <summary>
    /// Fixed fields, one line of the segment table, a signature and the checksum: nothing shorter is a record.
    /// </summary>
    private const int ShortestRecord = 48 + 16 + 64 + 32;

    private readonly string _prefix = applianceId is null ? Layout.RepositoryLog : Layout.Log(applianceId);

    /// <summary>Enough to hide the latency of a bucket, few enough not to be throttled.</summary>
    private const int ReadsAtOnce = 16;

    private static readonly byte[] s_domain = Encoding.ASCII.GetBytes("natalia audit record 1\n");

    /// <summary>
    /// The names of the records, ascending by number. Numbers follow each other without a gap, and records never go:
    /// what stands above a gap is left out, unless a genuine record is among it. A name alone may be anybody's. Costs
    /// requests only where there is a gap.
    /// </summary>
    internal async Task<List<AuditName>> ListAsync(CancellationToken cancellationToken)
    {
        List<AuditName> names = await ListAllAsync(cancellationToken).ConfigureAwait(false);
        while (FindGap(names) is int above)
        {
            if (await FindNewestAsync(names, above, cancellationToken).ConfigureAwait(false) is not null) break;
            names.RemoveRange(above, names.Count - above);
        }
        return names;
    }

    /// <summary>Every name that looks like a record's, ascending by number.</summary>
    internal async Task<List<AuditName>> ListAllAsync(CancellationToken cancellationToken)
    {
        var names = new List<AuditName>();
        await foreach (StoredObject found in store.ListAsync(_prefix, cancellationToken).ConfigureAwait(false))
        {
            if (AuditName.Parse(found.Name) is AuditName name) names.Add(name with { Object = found });
        }
        return names;
    }

    /// <summary>Where the names begin that stand above the highest gap; null without one.</summary>
    private static int? FindGap(List<AuditName> names)
    {
        for (int i = names.Count - 1; i >= 0; i--)
            if (names[i].Number > (i == 0 ? 0 : names[i - 1].Number) + 1) return i;
        return null;
    }

    /// <summary>The newest genuine record, not looked for below an index; null when none is there.</summary>
    internal async Task<AuditName?> FindNewestAsync(List<AuditName> names, int first,
        CancellationToken cancellationToken)
    {
        // Nearly always the last one is it. Where somebody put thousands of names there, a request each must not be
        // waited for one by one.
        for (int end = names.Count, count = 1; end > first; count = 4 * ReadsAtOnce)
        {
            int begin = Math.Max(first, end - count);
            List<AuditName> group = names.GetRange(begin, end - begin);
            IReadOnlyList<AuditRecord?> records = await ReadAllAsync(group, cancellationToken).ConfigureAwait(false);
            for (int i = group.Count - 1; i >= 0; i--)
                if (records[i] is not null) return group[i];
            end = begin;
        }
        return null;
    }

    /// <summary>Reads a record and checks its signature.</summary>
    /// <exception cref="FormatException">It is damaged, not signed by this repository's key, of another log, or not
    /// what its name says.</exception>
    internal async Task<AuditRecord> ReadAsync(AuditName name, CancellationToken cancellationToken)
    {
        try
        {
            return DecodeOwn(await store.ReadAllAsync(name.ObjectName, cancellationToken).ConfigureAwait(false), name);
        }
        catch (NataliaException unreadable) when (passesOver?.Invoke(unreadable) == true)
        {
            throw new FormatException(unreadable.Message, unreadable);
        }
    }

    private AuditRecord DecodeOwn(byte[] bytes, AuditName name)
    {
        AuditRecord record = Decode(bytes, name, publicKey);
        return record.ApplianceId == applianceId
            ? record
            : throw new FormatException("The record belongs to another log of this repository.");
    }

    /// <summary>
    /// Reads several records, in their order, each once in a session; null for one that <see cref="ReadAsync"/> would
    /// refuse.
    /// </summary>
    internal async Task<IReadOnlyList<AuditRecord?>> ReadAllAsync(IReadOnlyList<AuditName> names,
        CancellationToken cancellationToken)
    {
        return await InParallel.SelectAsync<AuditName, AuditRecord?>(names, ReadsAtOnce, async name =>
        {
            if (known is not null && known.TryGet(name, out AuditRecord? record)) return record;
            if (name.Object is { Length: < ShortestRecord }) return null;
            (record, bool isDamaged) = await TryReadAsync(name, cancellationToken).ConfigureAwait(false);
            known?.Remember(name, record, isDamaged);
            return record;
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Reads records that follow each other, for who reads a long log from its end back: a record whose hash a genuine
    /// one names is genuine, because writers name none that they have not verified, and nobody makes another record of
    /// that hash. Its own signature then need not be checked, which is what takes long. What was read is not
    /// remembered.
    /// </summary>
    /// <param name="names">Which, ascending.</param>
    /// <param name="named">The hashes that genuine records name, of all that was read before from the same log; gets
    /// those of these records as well.</param>
    /// <returns>As many, in their order: the record, or why it cannot be trusted.</returns>
    internal async Task<IReadOnlyList<(AuditRecord? Record, FormatException? Damage)>> ReadLinkedAsync(
        IReadOnlyList<AuditName> names, HashSet<string> named, CancellationToken cancellationToken)
    {
        (AuditRecord? Record, byte[] Bytes, Envelope? Envelope, FormatException? Damage)[] read =
            await InParallel.SelectAsync(names, ReadsAtOnce, async name =>
            {
                byte[] bytes = [];
                try
                {
                    bytes = await store.ReadAllAsync(name.ObjectName, cancellationToken).ConfigureAwait(false);
                    Envelope envelope = SmallObject.Check(bytes, ObjectKind.AuditRecord);
                    AuditRecord record = DecodeHeader(envelope);
                    if (!IsNamed(record, envelope, name))
                        throw new FormatException("The record is not the one that its name says.");
                    if (record.ApplianceId != applianceId)
                        throw new FormatException("The record belongs to another log of this repository.");
                    return ((AuditRecord?)record, bytes, (Envelope?)envelope, (FormatException?)null);
                }
                catch (FormatException damage)
                {
                    return (null, bytes, null, damage);
                }
            }, cancellationToken).ConfigureAwait(false);
        var answers = new (AuditRecord?, FormatException?)[read.Length];
        for (int i = read.Length - 1; i >= 0; i--)
        {
            (AuditRecord? record, byte[] bytes, Envelope? envelope, FormatException? damage) = read[i];
            if (record is not null && !named.Contains(record.RecordHash))
            {
                try
                {
                    if (!IsSigned(bytes, envelope!, publicKey))
                        damage = new FormatException("The record's signature is not this repository's.");
                }
                catch (FormatException unreadable)
                {
                    damage = unreadable;
                }
            }
            if (damage is null) named.UnionWith(record!.Heads);
            answers[i] = damage is null ? (record, null) : (null, damage);
        }
        return answers;
    }

    internal static AuditRecord Decode(byte[] bytes, AuditName name, byte[] publicKey)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.AuditRecord);
        if (!IsSigned(bytes, envelope, publicKey))
            throw new FormatException("The record's signature is not this repository's.");
        AuditRecord record = DecodeHeader(envelope);
        return IsNamed(record, envelope, name)
            ? record
            : throw new FormatException("The record is not the one that its name says.");
    }

    /// <summary>Whether a record, whose envelope was checked, bears the signature of a key.</summary>
    /// <exception cref="FormatException">It has no signature that could be read.</exception>
    internal static bool IsSigned(byte[] bytes, Envelope envelope, byte[] publicKey) =>
        Signing.Verify(publicKey, [.. s_domain, .. envelope.Header],
            SmallObject.OpenSegment(bytes, envelope, 0, ObjectKeys.None));

    /// <summary>Whether a record stands under the name that it was written with.</summary>
    internal static bool IsNamed(AuditRecord record, Envelope envelope, AuditName name) =>
        record.Number == name.Number && record.Event == name.Event && (record.Sequence ?? 0) == name.Sequence
        && envelope.Id == name.Id;

    /// <summary>What a record says, whoever signed it.</summary>
    /// <exception cref="FormatException">It lacks what every record says.</exception>
    internal static AuditRecord DecodeHeader(Envelope envelope)
    {
        using JsonDocument document = JsonText.Parse(envelope.Header);
        JsonElement root = document.RootElement;
        return new AuditRecord
        {
            RecordHash = Hash256.Of(envelope.Header).ToString(),
            Number = root.ReadLong("number"),
            Event = root.ReadString("event"),
            TimeUtc = root.ReadTime("timeUtc") is var time && time.Year is > 1 and < 9999
                ? time
                : throw new FormatException("The record's time is impossible."),
            ApplianceId = root.ReadStringOrNull("appliance"),
            RestorePointId = root.ReadStringOrNull("point"),
            Sequence = root.ReadLongOrNull("sequence"),
            Reason = root.ReadStringOrNull("reason"),
            Actor = root.ReadString("actor"),
            Tool = root.ReadString("tool"),
            Heads = root.ReadArray("heads").Select(h => h.ReadText()).ToArray(),
            Data = root.TryGet("data", out JsonElement data)
                ? data.ValueKind == JsonValueKind.Object
                    ? data.GetRawText()
                    : throw new FormatException("What a record says is not an object.")
                : null,
        };
    }

    /// <summary>
    /// The hashes of the records that no later record names. A writer numbers its record one above the highest that it
    /// saw, so a record that somebody did not see shares its number with another one: only such numbers, and the
    /// newest, need a look.
    /// </summary>
    internal async Task<IReadOnlyList<string>> FindHeadsAsync(List<AuditName> names,
        CancellationToken cancellationToken)
    {
        var heads = new List<string>();
        List<IGrouping<long, AuditName>> levels = names.GroupBy(n => n.Number).OrderBy(g => g.Key).ToList();
        for (int i = 0; i < levels.Count; i++)
        {
            if (i < levels.Count - 1 && levels[i].Count() == 1) continue;
            var open = new HashSet<string>(StringComparer.Ordinal);
            foreach (AuditRecord? record in await ReadAllAsync([.. levels[i]], cancellationToken).ConfigureAwait(false))
            {
                if (record is not null) open.Add(record.RecordHash);
            }
            for (int above = i + 1; above < levels.Count && open.Count > 0; above++)
            {
                foreach (AuditRecord? record in await ReadAllAsync([.. levels[above]],
                    cancellationToken).ConfigureAwait(false))
                {
                    if (record is not null) open.ExceptWith(record.Heads);
                }
            }
            heads.AddRange(open);
        }
        return heads;
    }

    /// <summary>
    /// A record that is damaged cannot be named by the next one, and must not keep a backup from being made: the break
    /// stays visible, and the repository's check reports it.
    /// </summary>
    /// <returns>The record, or whether what is there once was one: it begins like an object of this format.</returns>
    private async Task<(AuditRecord? Record, bool IsDamaged)> TryReadAsync(AuditName name,
        CancellationToken cancellationToken)
    {
        byte[] bytes = [];
        try
        {
            bytes = await store.ReadAllAsync(name.ObjectName, cancellationToken).ConfigureAwait(false);
            return (DecodeOwn(bytes, name), false);
        }
        catch (FormatException)
        {
            return (null, bytes.AsSpan().StartsWith(Envelope.Magic));
        }
        catch (NataliaException unreadable) when (passesOver?.Invoke(unreadable) == true)
        {
            return (null, true);
        }
    }

    /// <summary>Appends one record.</summary>
    /// <param name="entry">What it says.</param>
    /// <param name="signingSeed">The private key.</param>
    /// <returns>The new record's hash.</returns>
    internal async Task<string> AppendAsync(AuditEntry entry, byte[] signingSeed, CancellationToken cancellationToken)
    {
        // Never behind an end that could not be read: when that can be read again, the new record would stand beside it
        // and look like somebody's who did not know of it.
        AuditLog strict = passesOver is null ? this : new AuditLog(store, applianceId, publicKey, clock, known);
        return await AppendAsync(await strict.FindEndAsync(
            await strict.ListAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false),
            entry, signingSeed, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Where a record is appended.</summary>
    /// <param name="Number">The number of the next record.</param>
    /// <param name="Heads">What it names.</param>
    internal sealed record End(long Number, IReadOnlyList<string> Heads)
    {
        /// <summary>The end behind a record that was appended to this one.</summary>
        internal End After(string recordHash) => new(Number + 1, [recordHash]);
    }

    /// <summary>
    /// The end of the log as it was listed: behind the newest genuine record. What only bears a higher number sets
    /// none.
    /// </summary>
    internal async Task<End> FindEndAsync(List<AuditName> names, CancellationToken cancellationToken)
    {
        if (await FindNewestAsync(names, 0, cancellationToken).ConfigureAwait(false) is not AuditName newest)
            return new End(1, []);
        return new End(newest.Number + 1,
            await FindHeadsAsync(names.FindAll(n => n.Number <= newest.Number),
                cancellationToken).ConfigureAwait(false));
    }

    /// <summary>
    /// Appends one record behind an end that the caller has just seen. Several in a row need one look: what others
    /// append meanwhile makes a fork, not a break.
    /// </summary>
    internal async Task<string> AppendAsync(End end, AuditEntry entry, byte[] signingSeed,
        CancellationToken cancellationToken)
    {
        Layout.RequireNumber(end.Number, _prefix);
        Id128 id = Id128.NewRandom();
        byte[] header = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("number", end.Number);
            json.WriteString("event", entry.Event);
            json.WriteString("timeUtc", JsonText.Time(clock.UtcNow()));
            if (entry.ApplianceId is not null) json.WriteString("appliance", entry.ApplianceId);
            if (entry.RestorePointId is not null) json.WriteString("point", entry.RestorePointId);
            if (entry.Sequence > 0) json.WriteNumber("sequence", entry.Sequence);
            if (entry.Reason is not null) json.WriteString("reason", entry.Reason);
            json.WriteString("actor", Environment.UserName + "@" + Environment.MachineName);
            json.WriteString("tool", ProductInfo.Tool);
            json.WriteStartArray("heads");
            foreach (string head in end.Heads) json.WriteStringValue(head);
            json.WriteEndArray();
            if (entry.WriteData is not null)
            {
                json.WritePropertyName("data");
                json.WriteStartObject();
                entry.WriteData(json);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        });
        byte[] signature = Signing.Sign(signingSeed, [.. s_domain, .. header]);
        EncodedObject encoded = SmallObject.Encode(ObjectKind.AuditRecord, id, header, [signature], ObjectKeys.None,
            compress: false);
        await store.PutAsync(AuditName.Format(_prefix, end.Number, entry.Event, entry.Sequence, id), encoded.Content,
            PutOptions.Metadata, cancellationToken).ConfigureAwait(false);
        return Hash256.Of(header).ToString();
    }
}
