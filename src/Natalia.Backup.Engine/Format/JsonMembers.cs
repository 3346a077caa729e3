using System.Text.Json;

namespace Natalia.Backup.Engine.Format;

/// <summary>
/// Members of an object that this version does not know: of a newer one, which must find them again when an older one
/// has written the object anew.
/// </summary>
internal static class JsonMembers
{
    /// <summary>The members with other names than these, as a JSON object; null when there are none.</summary>
    internal static string? Unknown(JsonElement element, IReadOnlyCollection<string> known)
    {
        List<JsonProperty> others = [.. element.EnumerateObject().Where(p => !known.Contains(p.Name))];
        if (others.Count == 0) return null;
        return System.Text.Encoding.UTF8.GetString(JsonText.Write(json =>
        {
            json.WriteStartObject();
            foreach (JsonProperty other in others) other.WriteTo(json);
            json.WriteEndObject();
        }));
    }

    /// <summary>Writes them again.</summary>
    internal static void Write(Utf8JsonWriter json, string? unknown)
    {
        if (unknown is null) return;
        using JsonDocument document = JsonDocument.Parse(unknown);
        foreach (JsonProperty other in document.RootElement.EnumerateObject()) other.WriteTo(json);
    }
}
