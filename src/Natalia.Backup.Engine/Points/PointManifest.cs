using System.Text.Json;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Points;

/// <summary>One disk as a manifest holds it.</summary>
internal sealed record ManifestDisk
{
    internal required string DiskId { get; init; }
    internal required DiskRole Role { get; init; }
    internal required long SizeBytes { get; init; }
    internal required MapRoot Root { get; init; }

    /// <summary>The sequence of the point whose map this one was made from; null for a first one.</summary>
    internal long? ParentSequence { get; init; }

    /// <summary>The tracking token of the frozen state, or null.</summary>
    internal string? TrackingToken { get; init; }

    /// <summary>The VM that the token belongs to; null without a token.</summary>
    internal string? NativeId { get; init; }

    /// <summary>
    /// In a checkpoint: bytes from the disk's beginning that hold the frozen state; null when all do.
    /// </summary>
    internal long? CoveredBytes { get; init; }

    /// <summary>
    /// The number of the newest record of damage when the disk was last read as a whole: nothing that was known to be
    /// damaged then is referred to. 0 when there was none.
    /// </summary>
    internal long DamageSeen { get; init; }
}

/// <summary>The object that makes a point exist. docs/format.md §6.</summary>
internal sealed record PointManifest
{
    internal required string ApplianceId { get; init; }
    internal required Run Run { get; init; }
    internal required DateTime TimeUtc { get; init; }

    /// <summary>True for a checkpoint: never listed, never counted.</summary>
    internal bool Incomplete { get; init; }

    /// <summary>The checksum of the run's delta.</summary>
    internal required Hash256 DeltaHash { get; init; }

    /// <summary>The audit records that the run saw: cutting the log behind them becomes visible.</summary>
    internal required IReadOnlyList<string> LogHeads { get; init; }

    internal required string ApplianceName { get; init; }
    internal required string HypervisorKind { get; init; }
    internal required BackupType Type { get; init; }
    internal required RequestedBackupType RequestedType { get; init; }
    internal string? Reason { get; init; }
    internal required Consistency Consistency { get; init; }
    internal required long ReadBytes { get; init; }
    internal required long StoredBytes { get; init; }
    internal required TimeSpan Duration { get; init; }
    /// <summary>
    /// Until when everything that the point needs was locked when it was made, UTC; null where nothing is.
    /// </summary>
    internal DateTime? ImmutableUntilUtc { get; init; }

    /// <summary>By which way the disks were read; null where there is one alone.</summary>
    internal ReadMethod? ReadMethod { get; init; }

    /// <summary>The count of call records that a restore test compares with, or null.</summary>
    internal CdrBaseline? CdrBaseline { get; init; }

    internal required Reference? Configuration { get; init; }

    /// <summary>Small objects of the VM that are no disks; empty for points without any.</summary>
    internal IReadOnlyList<ManifestAttachment> Attachments { get; init; } = [];

    internal required IReadOnlyList<ManifestDisk> Disks { get; init; }

    /// <summary>In a copy: the point whose state this is, where it was first made; else null.</summary>
    internal PointOrigin? CopyOf { get; init; }

    /// <summary>In a copy: the point that it was copied from, which may be a copy itself; else null.</summary>
    internal PointOrigin? CopiedFrom { get; init; }

    /// <summary>Bounds of what a manifest may say, far above all that is real: what is beyond them is damage.</summary>
    private const int MaximumDisks = 4096, FirstYear = 1970, LastYear = 9000;
    private const long MaximumBytes = 1L << 53, MaximumTicks = 365L * TimeSpan.TicksPerDay;

    internal string PointId => Run.Id.ToString();

    /// <summary>What it refers to besides its maps.</summary>
    internal Companions Companions => new(Configuration, Attachments);

    /// <summary>The id of the point whose state this is: of all copies the same.</summary>
    internal string OriginalPointId => CopyOf?.PointId ?? PointId;

    internal EncodedObject Encode(ObjectKeys keys) =>
        SmallObject.Encode(ObjectKind.Manifest, Id128.NewRandom(), EncodeHeader(), [EncodeBody()], keys);

    /// <summary>What stands in the clear.</summary>
    internal byte[] EncodeHeader()
    {
        return JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("appliance", ApplianceId);
            json.WriteNumber("sequence", Run.Sequence);
            json.WriteString("run", Run.Id.ToString());
            json.WriteString("timeUtc", JsonText.Time(TimeUtc));
            json.WriteBoolean("incomplete", Incomplete);
            json.WriteString("delta", DeltaHash.ToString());
            json.WriteStartArray("logHeads");
            foreach (string head in LogHeads) json.WriteStringValue(head);
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    /// <summary>What is sealed.</summary>
    internal byte[] EncodeBody()
    {
        return JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("name", ApplianceName);
            json.WriteString("hypervisor", HypervisorKind);
            json.WriteString("type", Type.ToString());
            json.WriteString("requestedType", RequestedType.ToString());
            if (Reason is not null) json.WriteString("reason", Reason);
            json.WriteString("consistency", Consistency.ToString());
            json.WriteNumber("readBytes", ReadBytes);
            json.WriteNumber("storedBytes", StoredBytes);
            json.WriteNumber("durationTicks", Duration.Ticks);
            json.WriteString("tool", ProductInfo.Tool);
            if (ImmutableUntilUtc is DateTime until) json.WriteString("immutableUntilUtc", JsonText.Time(until));
            if (ReadMethod is ReadMethod way) json.WriteString("readMethod", way.ToString());
            WriteBaseline(json, CdrBaseline);
            CopyOf?.Write(json);
            CopiedFrom?.Write(json, "copiedFrom");
            ReferenceJson.Write(json, "configuration", Configuration);
            ManifestAttachment.Write(json, Attachments);
            json.WriteStartArray("disks");
            foreach (ManifestDisk disk in Disks)
            {
                json.WriteStartObject();
                json.WriteString("id", disk.DiskId);
                json.WriteString("role", disk.Role.ToString());
                json.WriteNumber("sizeBytes", disk.SizeBytes);
                json.WriteNumber("blockBytes", BlockGeometry.BlockBytes);
                json.WriteNumber("level", disk.Root.Level);
                json.WriteNumber("blocks", disk.Root.Blocks);
                ReferenceJson.Write(json, "root", disk.Root.Reference);
                if (disk.ParentSequence is long parent) json.WriteNumber("parentSequence", parent);
                if (disk.TrackingToken is not null) json.WriteString("trackingToken", disk.TrackingToken);
                if (disk.NativeId is not null) json.WriteString("trackedVm", disk.NativeId);
                if (disk.CoveredBytes is long covered) json.WriteNumber("coveredBytes", covered);
                if (disk.DamageSeen > 0) json.WriteNumber("damageSeen", disk.DamageSeen);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    /// <exception cref="SealBrokenException">It was sealed with another key, or changed.</exception>
    /// <exception cref="FormatException">It is damaged, or not what its name says.</exception>
    internal static PointManifest Decode(byte[] bytes, string applianceId, Run run, ObjectKeys keys)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.Manifest);
        return Decode(envelope.Header, SmallObject.OpenSegment(bytes, envelope, 0, keys), applianceId, run);
    }

    /// <exception cref="FormatException">It is not what its name says.</exception>
    internal static PointManifest Decode(byte[] headerBytes, byte[] bodyBytes, string applianceId, Run run)
    {
        using JsonDocument header = JsonText.Parse(headerBytes);
        using JsonDocument body = JsonText.Parse(bodyBytes);
        return Decode(header.RootElement, body.RootElement, applianceId, run);
    }

    /// <exception cref="FormatException">It is not what its name says.</exception>
    internal static PointManifest Decode(JsonElement h, JsonElement b, string applianceId, Run run)
    {
        if (h.ReadString("appliance") != applianceId || h.ReadLong("sequence") != run.Sequence
            || h.ReadId("run") != run.Id)
            throw new FormatException("The manifest is not the one that its name says.");
        ManifestDisk[] disks = b.ReadArray("disks").Select(ReadDisk).ToArray();
        // Whoever adds up what a point says, of one or of many points, must not run over.
        if (disks.Length > MaximumDisks || disks.Sum(d => (decimal)d.SizeBytes) > long.MaxValue
            || disks.Select(d => d.DiskId).Distinct(StringComparer.Ordinal).Count() < disks.Length)
            throw new FormatException("The point has impossible disks.");
        // A checkpoint of a disk that shrank still holds what lies behind its end.
        if (!h.ReadBool("incomplete") && disks.Any(d => d.Root.Blocks > BlockGeometry.BlockCount(d.SizeBytes)))
            throw new FormatException("A disk has more blocks than it is large.");
        return new PointManifest
        {
            ApplianceId = applianceId,
            Run = run,
            TimeUtc = h.ReadTime("timeUtc") is var time && time.Year is >= FirstYear and <= LastYear
                ? time
                : throw new FormatException("The point's time is impossible."),
            Incomplete = h.ReadBool("incomplete"),
            DeltaHash = h.ReadHash("delta"),
            LogHeads = h.ReadArray("logHeads").Select(e => e.ReadText()).ToArray(),
            ApplianceName = b.ReadString("name"),
            HypervisorKind = b.ReadString("hypervisor"),
            Type = b.ReadEnum<BackupType>("type"),
            RequestedType = b.ReadEnum<RequestedBackupType>("requestedType"),
            Reason = b.ReadStringOrNull("reason"),
            Consistency = b.ReadEnum<Consistency>("consistency"),
            ReadBytes = b.ReadLong("readBytes", 0, MaximumBytes),
            StoredBytes = b.ReadLong("storedBytes", 0, MaximumBytes),
            Duration = TimeSpan.FromTicks(b.ReadLong("durationTicks", 0, MaximumTicks)),
            ImmutableUntilUtc = b.ReadTimeOrNull("immutableUntilUtc"),
            // A way that a newer version knows is none of what a point needs.
            ReadMethod = b.ReadEnumOrNull<ReadMethod>("readMethod"),
            CdrBaseline = ReadBaseline(b),
            CopyOf = PointOrigin.Read(b),
            CopiedFrom = PointOrigin.Read(b, "copiedFrom"),
            Configuration = ReferenceJson.Read(b, "configuration"),
            Attachments = ManifestAttachment.Read(b),
            Disks = disks,
        };
    }

    private static ManifestDisk ReadDisk(JsonElement disk)
    {
        if (disk.ReadLong("blockBytes") != BlockGeometry.BlockBytes)
            throw new FormatException("A disk has a block size that this version of the module does not read.");
        long level = disk.ReadLong("level", 0, BlockGeometry.MaximumLevel),
            size = disk.ReadLong("sizeBytes", 0, long.MaxValue),
            blocks = disk.ReadLong("blocks", 0, BlockGeometry.MaximumBlocks);
        return new ManifestDisk
        {
            DiskId = disk.ReadString("id"),
            Role = disk.ReadEnum<DiskRole>("role"),
            SizeBytes = size,
            Root = new MapRoot((int)level, ReferenceJson.Read(disk, "root"), blocks),
            ParentSequence = disk.ReadLongOrNull("parentSequence", 0, Layout.HighestNumber),
            TrackingToken = disk.ReadStringOrNull("trackingToken"),
            NativeId = disk.ReadStringOrNull("trackedVm"),
            CoveredBytes = disk.ReadLongOrNull("coveredBytes", 0, size),
            DamageSeen = disk.ReadLongOrNull("damageSeen", 0, Layout.HighestNumber) ?? 0,
        };
    }

    private static void WriteBaseline(Utf8JsonWriter json, CdrBaseline? baseline)
    {
        if (baseline is null) return;
        json.WriteStartObject("cdrBaseline");
        json.WriteNumber("count", baseline.Count);
        json.WriteString("businessDay", baseline.BusinessDay);
        json.WriteString("timeZone", baseline.TimeZone);
        if (baseline.IsCounted) json.WriteBoolean("counted", true);
        json.WriteEndObject();
    }

    private static CdrBaseline? ReadBaseline(JsonElement element) =>
        element.TryGet("cdrBaseline", out JsonElement value) && value.ValueKind == JsonValueKind.Object
            ? new CdrBaseline
            {
                Count = value.ReadLong("count", 0, MaximumBytes),
                BusinessDay = value.ReadString("businessDay"),
                TimeZone = value.ReadString("timeZone"),
                IsCounted = value.ReadBool("counted"),
            }
            : null;
}
