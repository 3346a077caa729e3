using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Points;

/// <summary>An attachment as a manifest holds it. docs/format.md §6.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it is, as it was written: a copy keeps what only a newer version knows.</param>
/// <param name="SizeBytes">Its size in bytes.</param>
/// <param name="Parts">Where its parts lie, in their order; none when it is empty.</param>
internal sealed record ManifestAttachment(string Name, string Kind, long SizeBytes, IReadOnlyList<Reference> Parts)
{
    /// <summary>The length of every part but the last.</summary>
    internal const int PartBytes = 1 << 20;

    private const int MaximumKindLength = 64;

    /// <summary>What users see of it.</summary>
    internal RestorePointAttachment Describe() => new(Name, KindOf(Kind), SizeBytes);

    internal static AttachmentKind KindOf(string kind) =>
        Enum.TryParse(kind, ignoreCase: false, out AttachmentKind known)
        && Enum.IsDefined(typeof(AttachmentKind), known)
            ? known
            : AttachmentKind.Other;

    /// <summary>How many parts so many bytes have.</summary>
    internal static int CountParts(long bytes) => (int)((bytes + PartBytes - 1) / PartBytes);

    /// <summary>The length of a part in bytes.</summary>
    internal int PartLength(int part) => (int)Math.Min(PartBytes, SizeBytes - (long)part * PartBytes);

    /// <summary>Writes them into a manifest; nothing when there are none.</summary>
    internal static void Write(Utf8JsonWriter json, IReadOnlyList<ManifestAttachment> attachments)
    {
        if (attachments.Count == 0) return;
        json.WriteStartArray("attachments");
        foreach (ManifestAttachment attachment in attachments)
        {
            json.WriteStartObject();
            json.WriteString("name", attachment.Name);
            json.WriteString("kind", attachment.Kind);
            json.WriteNumber("sizeBytes", attachment.SizeBytes);
            json.WriteStartArray("parts");
            foreach (Reference part in attachment.Parts)
            {
                json.WriteStartObject();
                ReferenceJson.WriteMembers(json, part);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>Reads them from a manifest, and refuses what no writer writes.</summary>
    /// <exception cref="FormatException">A name could be a path, two are one, or the sizes are impossible.</exception>
    internal static IReadOnlyList<ManifestAttachment> Read(JsonElement body)
    {
        var attachments = new List<ManifestAttachment>();
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        long total = 0;
        foreach (JsonElement element in body.ReadArray("attachments"))
        {
            ManifestAttachment attachment = ReadOne(element);
            total += attachment.SizeBytes;
            if (!names.Add(attachment.Name) || names.Count > ApplianceAttachment.MaximumCount
                || total > ApplianceAttachment.MaximumBytes)
                throw new FormatException("The point has impossible attachments.");
            attachments.Add(attachment);
        }
        return attachments;
    }

    private static ManifestAttachment ReadOne(JsonElement element)
    {
        string name = element.ReadString("name"), kind = element.ReadString("kind");
        long size = element.ReadLong("sizeBytes", 0, ApplianceAttachment.MaximumBytes);
        if (!ApplianceAttachment.IsName(name) || kind.Length > MaximumKindLength)
            throw new FormatException("An attachment has an impossible name.");
        Reference[] parts = [.. element.ReadArray("parts").Take(CountParts(size) + 1)
            .Select(ReferenceJson.ReadMembers)];
        return parts.Length == CountParts(size)
            ? new ManifestAttachment(name, kind, size, parts)
            : throw new FormatException($"The attachment '{name}' has not as many parts as its size asks for.");
    }
}
