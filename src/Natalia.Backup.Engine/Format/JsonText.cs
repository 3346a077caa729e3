using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Natalia.Backup.Engine.Format;

/// <summary>
/// Small helps around the JSON reader and writer. Objects are written by hand, so that what is stored never depends on
/// a serializer's defaults.
/// </summary>
internal static class JsonText
{
    private static readonly JsonWriterOptions s_compact =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions s_indented = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Indented = true,
    };

    internal static byte[] Write(Action<Utf8JsonWriter> write, bool indented = false)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, indented ? s_indented : s_compact)) write(writer);
        return stream.ToArray();
    }

    /// <summary>UTC with whole ticks, so that what is read equals what was written.</summary>
    internal static string Time(DateTime utc) =>
        utc.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);

    /// <summary>A member; false where it is absent.</summary>
    /// <exception cref="FormatException">The element is no object, so that it cannot have one.</exception>
    internal static bool TryGet(this JsonElement element, string name, out JsonElement value) =>
        element.ValueKind == JsonValueKind.Object
            ? element.TryGetProperty(name, out value)
            : throw new FormatException($"What should hold the member '{name}' is not an object.");

    internal static DateTime ReadTime(this JsonElement element, string name)
    {
        string text = element.ReadString(name);
        return DateTime.TryParseExact(text, "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture,
            DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out DateTime time)
            ? time : throw new FormatException($"The member '{name}' is not a time.");
    }

    internal static DateTime? ReadTimeOrNull(this JsonElement element, string name) =>
        element.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? element.ReadTime(name)
            : null;

    internal static string ReadString(this JsonElement element, string name) =>
        element.ReadStringOrNull(name) ?? throw new FormatException($"The member '{name}' is missing.");

    internal static string? ReadStringOrNull(this JsonElement element, string name) =>
        element.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.ReadText()
            : null;

    /// <summary>
    /// The text of a string element; damaged text that is no valid UTF-8 is a <see cref="FormatException"/> like all
    /// other damage.
    /// </summary>
    internal static string ReadText(this JsonElement value)
    {
        try
        {
            return value.GetString() ?? throw new FormatException("A text is missing.");
        }
        catch (InvalidOperationException damage)
        {
            throw new FormatException("A text is not valid.", damage);
        }
    }

    internal static long ReadLong(this JsonElement element, string name) =>
        element.ReadLongOrNull(name) ?? throw new FormatException($"The member '{name}' is missing.");

    internal static long? ReadLongOrNull(this JsonElement element, string name) =>
        element.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            ? value.TryGetInt64(out long number)
                ? number
                : throw new FormatException($"The member '{name}' is not a whole number.") : null;

    /// <summary>A whole number within bounds.</summary>
    /// <exception cref="FormatException">It is missing, or out of bounds: damage, or forged.</exception>
    internal static long ReadLong(this JsonElement element, string name, long minimum, long maximum) =>
        element.ReadLongOrNull(name, minimum, maximum) ?? throw new FormatException($"The member '{name}' is missing.");

    internal static long? ReadLongOrNull(this JsonElement element, string name, long minimum, long maximum) =>
        element.ReadLongOrNull(name) is not long number
            ? null
            : number >= minimum && number <= maximum
                ? number
                : throw new FormatException($"The member '{name}' says {number}, which is impossible.");

    internal static bool ReadBool(this JsonElement element, string name) =>
        element.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.True;

    internal static IEnumerable<JsonElement> ReadArray(this JsonElement element, string name) =>
        element.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray()
            : Enumerable.Empty<JsonElement>();

    internal static Id128 ReadId(this JsonElement element, string name) =>
        Id128.TryParse(element.ReadString(name), out Id128 id)
            ? id
            : throw new FormatException($"The member '{name}' is not an id.");

    internal static Hash256 ReadHash(this JsonElement element, string name) =>
        Hash256.TryParse(element.ReadString(name), out Hash256 hash)
            ? hash
            : throw new FormatException($"The member '{name}' is not a SHA-256 value.");

    internal static T ReadEnum<T>(this JsonElement element, string name) where T : struct =>
        element.ReadEnumOrNull<T>(name) ?? default;

    /// <summary>As above; null for a word that this version does not know, or none.</summary>
    internal static T? ReadEnumOrNull<T>(this JsonElement element, string name) where T : struct =>
        element.ReadStringOrNull(name) is string text && Enum.TryParse(text, ignoreCase: false, out T value)
        && Enum.IsDefined(typeof(T), value)
            ? value
            : null;

    /// <summary>Parses the data that a record keeps as text.</summary>
    /// <exception cref="FormatException">It is not a JSON object.</exception>
    internal static JsonDocument Parse(string? data) => Parse(System.Text.Encoding.UTF8.GetBytes(data ?? "{}"));

    /// <summary>Parses an object, or says what is wrong with it as a <see cref="FormatException"/>.</summary>
    internal static JsonDocument Parse(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            JsonDocument document = JsonDocument.Parse(utf8);
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
            document.Dispose();
        }
        catch (JsonException failure)
        {
            // What the parser says speaks to a programmer, of line 0 and of tokens.
            throw new FormatException("The text is not whole JSON.", failure);
        }
        throw new FormatException("The text is not a JSON object.");
    }
}
