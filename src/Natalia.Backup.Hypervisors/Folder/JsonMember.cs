using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>A value of a description that knows where it stands, so that every complaint names its place.</summary>
internal readonly struct JsonMember(string file, string place, JsonElement value)
{
    internal string Text(string name) => OptionalText(name) ?? throw Invalid($"'{name}' is missing");

    internal string? OptionalText(string name)
    {
        if (Find(name) is not JsonElement member) return null;
        if (member.ValueKind != JsonValueKind.String) throw Invalid($"'{name}' must be a text");
        string text = ReadText(name, member);
        if (text.Trim().Length == 0) throw Invalid($"'{name}' is empty");
        return text;
    }

    internal long? OptionalNumber(string name, long least, long most)
    {
        if (Find(name) is not JsonElement member) return null;
        if (member.ValueKind == JsonValueKind.Number && member.TryGetInt64(out long number) && number >= least
            && number <= most)
            return number;
        throw Invalid(string.Format(CultureInfo.InvariantCulture, "'{0}' must be a whole number from {1} to {2}", name,
            least, most));
    }

    internal IReadOnlyList<JsonMember>? OptionalArray(string name)
    {
        if (Find(name) is not JsonElement member) return null;
        if (member.ValueKind != JsonValueKind.Array) throw Invalid($"'{name}' must be a list");
        var items = new List<JsonMember>();
        foreach (JsonElement item in member.EnumerateArray())
            items.Add(new JsonMember(file,
                string.Format(CultureInfo.InvariantCulture, "{0}[{1}]", Join(name), items.Count), item));
        return items;
    }

    internal JsonMember? OptionalObject(string name)
    {
        if (Find(name) is not JsonElement member) return null;
        if (member.ValueKind != JsonValueKind.Object) throw Invalid($"'{name}' must be an object");
        return new JsonMember(file, Join(name), member);
    }

    internal NataliaException Invalid(string what) =>
        DescriptionFile.Invalid(file, place.Length == 0 ? what : $"in {place}, {what}");

    /// <summary>
    /// The member, in whatever case it is written; null when it is absent or null. Two of one name would leave open
    /// which one is meant.
    /// </summary>
    private JsonElement? Find(string name)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Invalid(place.Length == 0 ? "it must be one JSON object" : "there must be a JSON object");
        JsonElement? found = null;
        foreach (JsonProperty member in value.EnumerateObject())
        {
            if (!member.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) continue;
            if (found is not null) throw Invalid($"'{name}' is stated twice");
            found = member.Value;
        }
        return found is { ValueKind: JsonValueKind.Null } ? null : found;
    }

    private string ReadText(string name, JsonElement member)
    {
        try
        {
            return member.GetString()!;
        }
        catch (InvalidOperationException)
        {
            // A lone surrogate, which no file name or label can bear.
            throw Invalid($"'{name}' holds half a character");
        }
    }

    private string Join(string name) => place.Length == 0 ? name : place + "." + name;
}
