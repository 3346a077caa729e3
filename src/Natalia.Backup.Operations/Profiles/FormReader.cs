using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Natalia.Backup.Operations.Profiles;

/// <summary>
/// One JSON object of a file that people write, read into the record that says what it may hold. The serializer would
/// refuse the same, in words for programmers; these are for whoever wrote the file.
/// </summary>
/// <param name="what">Where the object is: <c>repositories[2]</c>.</param>
/// <param name="element">The object.</param>
internal sealed class FormReader(string what, JsonElement element)
{
    /// <summary>An error that tells the place.</summary>
    internal InvalidDataException Invalid(string why, Exception? inner = null) => new($"in {what}, {why}", inner);

    /// <summary>A member that must be there and be one of some words, in any case.</summary>
    /// <exception cref="InvalidDataException">It is not.</exception>
    internal string OneOf(string member, IReadOnlyList<string> words)
    {
        RequireObject();
        if (!element.TryGetProperty(member, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            throw Invalid($"{member} is missing");
        if (WrongWord(value, words) is string wrong) throw Invalid($"{member} {wrong}");
        return words.First(w => IsWord(value, w));
    }

    /// <summary>The whole object.</summary>
    /// <param name="form">What it may hold, and of what types; a member that is required must be there.</param>
    /// <exception cref="InvalidDataException">It holds something else.</exception>
    internal object Read(JsonTypeInfo form)
    {
        RequireObject();
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (JsonProperty member in element.EnumerateObject())
        {
            // The serializer would take the last one without a word.
            if (!seen.Add(member.Name)) throw Invalid($"'{member.Name}' stands twice");
            JsonPropertyInfo known = form.Properties.FirstOrDefault(p => p.Name == member.Name)
                ?? throw Invalid($"'{member.Name}' is not known");
            if (member.Value.ValueKind != JsonValueKind.Null && Wrong(member.Value, known.PropertyType) is string wrong)
                throw Invalid($"{member.Name} {wrong}");
        }
        foreach (JsonPropertyInfo property in form.Properties.Where(p => p.IsRequired))
        {
            if (!element.TryGetProperty(property.Name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
                throw Invalid($"{property.Name} is missing");
        }
        try
        {
            return element.Deserialize(form)!;
        }
        catch (JsonException e)
        {
            throw Invalid(e.Message, e);
        }
    }

    private void RequireObject()
    {
        if (element.ValueKind != JsonValueKind.Object) throw new InvalidDataException($"{what} is not an object");
    }

    /// <summary>What a value is not, as the end of a sentence; null when it is as it should be.</summary>
    private static string? Wrong(JsonElement value, Type type)
    {
        Type wanted = Nullable.GetUnderlyingType(type) ?? type;
        if (wanted.IsEnum) return WrongWord(value, Enum.GetNames(wanted));
        if (wanted == typeof(int))
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out _)
                ? null
                : "is not a whole number, or too large";
        if (wanted == typeof(bool))
            return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? null : "is neither true nor false";
        if (wanted == typeof(string) || wanted == typeof(Uri)) return WrongText(value);
        if (value.ValueKind != JsonValueKind.Array) return "is not a list";
        return wanted == typeof(IReadOnlyList<string>)
            && value.EnumerateArray().Select(WrongText).Any(w => w is not null)
            ? "holds something that is not a text"
            : null;
    }

    private static string? WrongWord(JsonElement value, IReadOnlyList<string> words) => WrongText(value)
        ?? (words.Any(w => IsWord(value, w))
            ? null
            : $"is '{value.GetString()}', which is none of {string.Join(", ", words)}");

    private static bool IsWord(JsonElement value, string word) =>
        string.Equals(value.GetString(), word, StringComparison.OrdinalIgnoreCase);

    /// <summary>Names, paths and addresses hold no control characters; a NUL ends a path for the system.</summary>
    private static string? WrongText(JsonElement value) => value.ValueKind != JsonValueKind.String ? "is not a text"
        : value.GetString() is not { Length: > 0 } text ? "is empty"
        : text.Any(char.IsControl) ? "holds a control character"
        : null;
}
