using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Audit;

/// <summary>Where a record stands, told by its name alone, so that a reader fetches only the kinds that it needs.</summary>
internal sealed record AuditName(string ObjectName, long Number, string Event, long Sequence, Id128 Id)
{
    internal static AuditName? Parse(string objectName)
    {
        string[] parts = Layout.FileName(objectName).Split('.');
        return parts.Length == 4 && Layout.TryParseNumber(parts[0], out long number) && Layout.TryParseNumber(parts[2], out long sequence) && Id128.TryParse(parts[3], out Id128 id)
            ? new AuditName(objectName, number, parts[1], sequence, id) : null;
    }

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
/// One log of signed records: the repository's or an appliance's. Records name the heads that their writer saw, so that two writers at once make a fork, not a break.
/// docs/format.md §9.
/// </summary>
internal sealed class AuditLog(IObjectStore store, string prefix, byte[] publicKey, TimeProvider clock)
{
    private static readonly byte[] s_domain = Encoding.ASCII.GetBytes("natalia audit record 1\n");

    /// <summary>The names of all records, ascending by number.</summary>
    internal async Task<List<AuditName>> ListAsync(CancellationToken cancellationToken)
    {
        var names = new List<AuditName>();
        await foreach (StoredObject found in store.ListAsync(prefix, cancellationToken).ConfigureAwait(false))
        {
            if (AuditName.Parse(found.Name) is AuditName name) names.Add(name);
        }
        return names;
    }

    /// <summary>Reads a record and checks its signature.</summary>
    /// <exception cref="FormatException">It is damaged, not signed by this repository's key, or not what its name says.</exception>
    internal async Task<AuditRecord> ReadAsync(AuditName name, CancellationToken cancellationToken) =>
        Decode(await store.ReadAllAsync(name.ObjectName, cancellationToken).ConfigureAwait(false), name, publicKey);

    internal static AuditRecord Decode(byte[] bytes, AuditName name, byte[] publicKey)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.AuditRecord);
        if (!IsSigned(bytes, envelope, publicKey)) throw new FormatException("The record's signature is not this repository's.");
        AuditRecord record = DecodeHeader(envelope);
        return IsNamed(record, envelope, name) ? record : throw new FormatException("The record is not the one that its name says.");
    }

    /// <summary>Whether a record, whose envelope was checked, bears the signature of a key.</summary>
    /// <exception cref="FormatException">It has no signature that could be read.</exception>
    internal static bool IsSigned(byte[] bytes, Envelope envelope, byte[] publicKey) =>
        Signing.Verify(publicKey, [.. s_domain, .. envelope.Header], SmallObject.OpenSegment(bytes, envelope, 0, ObjectKeys.None));

    /// <summary>Whether a record stands under the name that it was written with.</summary>
    internal static bool IsNamed(AuditRecord record, Envelope envelope, AuditName name) =>
        record.Number == name.Number && record.Event == name.Event && (record.Sequence ?? 0) == name.Sequence && envelope.Id == name.Id;

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
            TimeUtc = root.ReadTime("timeUtc"),
            ApplianceId = root.ReadStringOrNull("appliance"),
            RestorePointId = root.ReadStringOrNull("point"),
            Sequence = root.ReadLongOrNull("sequence"),
            Reason = root.ReadStringOrNull("reason"),
            Actor = root.ReadString("actor"),
            Tool = root.ReadString("tool"),
            Heads = root.ReadArray("heads").Select(h => h.ReadText()).ToArray(),
            Data = root.TryGetProperty("data", out JsonElement data) ? data.GetRawText() : null,
        };
    }

    /// <summary>
    /// The hashes of the records that no later record names. A writer numbers its record one above the highest that it saw, so a record that somebody did not see
    /// shares its number with another one: only such numbers, and the newest, need a look.
    /// </summary>
    internal async Task<IReadOnlyList<string>> FindHeadsAsync(List<AuditName> names, CancellationToken cancellationToken)
    {
        var heads = new List<string>();
        List<IGrouping<long, AuditName>> levels = names.GroupBy(n => n.Number).OrderBy(g => g.Key).ToList();
        for (int i = 0; i < levels.Count; i++)
        {
            if (i < levels.Count - 1 && levels[i].Count() == 1) continue;
            var open = new HashSet<string>(StringComparer.Ordinal);
            foreach (AuditName name in levels[i])
            {
                if (await TryReadAsync(name, cancellationToken).ConfigureAwait(false) is AuditRecord record) open.Add(record.RecordHash);
            }
            for (int above = i + 1; above < levels.Count && open.Count > 0; above++)
            {
                foreach (AuditName name in levels[above])
                {
                    if (await TryReadAsync(name, cancellationToken).ConfigureAwait(false) is AuditRecord record) open.ExceptWith(record.Heads);
                }
            }
            heads.AddRange(open);
        }
        return heads;
    }

    /// <summary>A record that is damaged cannot be named by the next one, and must not keep a backup from being made: the break stays visible, and the repository's check reports it.</summary>
    private async Task<AuditRecord?> TryReadAsync(AuditName name, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>Appends one record.</summary>
    /// <param name="entry">What it says.</param>
    /// <param name="signingSeed">The private key.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The new record's hash.</returns>
    internal async Task<string> AppendAsync(AuditEntry entry, byte[] signingSeed, CancellationToken cancellationToken)
    {
        List<AuditName> names = await ListAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyList<string> heads = await FindHeadsAsync(names, cancellationToken).ConfigureAwait(false);
        long number = names.Count == 0 ? 1 : names[names.Count - 1].Number + 1;
        Id128 id = Id128.NewRandom();
        byte[] header = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("number", number);
            json.WriteString("event", entry.Event);
            json.WriteString("timeUtc", JsonText.Time(clock.UtcNow()));
            if (entry.ApplianceId is not null) json.WriteString("appliance", entry.ApplianceId);
            if (entry.RestorePointId is not null) json.WriteString("point", entry.RestorePointId);
            if (entry.Sequence > 0) json.WriteNumber("sequence", entry.Sequence);
            if (entry.Reason is not null) json.WriteString("reason", entry.Reason);
            json.WriteString("actor", Environment.UserName + "@" + Environment.MachineName);
            json.WriteString("tool", ProductInfo.Tool);
            json.WriteStartArray("heads");
            foreach (string head in heads) json.WriteStringValue(head);
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
        EncodedObject encoded = SmallObject.Encode(ObjectKind.AuditRecord, id, header, [signature], ObjectKeys.None, compress: false);
        await store.PutAsync(AuditName.Format(prefix, number, entry.Event, entry.Sequence, id), encoded.Content, PutOptions.Metadata, cancellationToken).ConfigureAwait(false);
        return Hash256.Of(header).ToString();
    }
}
