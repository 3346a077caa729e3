using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Points;

/// <summary>A reference in a manifest. docs/format.md §6.</summary>
internal static class ReferenceJson
{
    /// <summary>Writes a member of that name; nothing when there is no reference.</summary>
    internal static void Write(Utf8JsonWriter json, string name, Reference? reference)
    {
        if (reference is null) return;
        json.WriteStartObject(name);
        WriteMembers(json, reference);
        json.WriteEndObject();
    }

    internal static void WriteMembers(Utf8JsonWriter json, Reference reference)
    {
        json.WriteNumber("sequence", reference.Run.Sequence);
        json.WriteString("run", reference.Run.Id.ToString());
        json.WriteNumber("pack", reference.Pack);
        json.WriteNumber("ordinal", reference.Ordinal);
        json.WriteString("sha256", reference.Hash.ToString());
    }

    /// <exception cref="FormatException">It is not one.</exception>
    internal static Reference? Read(JsonElement element, string name) =>
        element.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Object
            ? ReadMembers(value)
            : null;

    /// <exception cref="FormatException">It is not one.</exception>
    internal static Reference ReadMembers(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object) throw new FormatException("A reference is not an object.");
        long pack = value.ReadLong("pack", 0, int.MaxValue), ordinal = value.ReadLong("ordinal", 0, int.MaxValue),
            sequence = value.ReadLong("sequence", 0, Layout.HighestNumber);
        return new Reference(new Run(sequence, value.ReadId("run")), (int)pack, (int)ordinal, value.ReadHash("sha256"));
    }
}
