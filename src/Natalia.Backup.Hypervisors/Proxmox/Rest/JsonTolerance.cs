using System.Globalization;
using System.Text.Json;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// Reads answers in which a number may be a number or text, a Boolean may be true, 1 or "1", and anything may be absent
/// or null. A value that cannot be read as asked for is null, never an exception: one odd value must not hide a
/// thousand good ones.
/// </summary>
internal static class JsonTolerance
{
    internal static JsonElement? Member(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value)
        && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined)
            ? value
            : null;

    internal static string? Text(this JsonElement element, string name) => element.Member(name)?.AsText();

    internal static long? Long(this JsonElement element, string name) => element.Member(name)?.AsLong();

    internal static double? Double(this JsonElement element, string name) => element.Member(name)?.AsDouble();

    internal static bool? Flag(this JsonElement element, string name) => element.Member(name)?.AsFlag();

    /// <summary>A time in seconds since 1970; 0 means never.</summary>
    internal static DateTime? Time(this JsonElement element, string name) =>
        element.Long(name) is > 0 and <= 253402300799 and long s
            ? DateTimeOffset.FromUnixTimeSeconds(s).UtcDateTime
            : null;

    /// <summary>The members of an array; nothing when it is anything else.</summary>
    internal static IEnumerable<JsonElement> Items(this JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? element.EnumerateArray() : [];

    internal static string? AsText(this JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "1",
        JsonValueKind.False => "0",
        _ => null,
    };

    internal static long? AsLong(this JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number when value.TryGetInt64(out long n) => n,
        JsonValueKind.Number when value.TryGetDouble(out double d) && Math.Abs(d) < 9e18 => (long)d,
        JsonValueKind.String
            when long.TryParse(value.GetString(),
                NumberStyles.AllowLeadingSign | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
                CultureInfo.InvariantCulture, out long n) =>
            n,
        JsonValueKind.String
            when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double d)
                && Math.Abs(d) < 9e18 =>
            (long)d,
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        _ => null,
    };

    internal static double? AsDouble(this JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.String
            when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double d) =>
            d,
        _ => null,
    };

    internal static bool? AsFlag(this JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => value.GetDouble() != 0,
        JsonValueKind.String => ParseFlag(value.GetString()),
        _ => null,
    };

    /// <summary>The words that the server takes for a Boolean.</summary>
    internal static bool? ParseFlag(string? text) => text?.Trim().ToLowerInvariant() switch
    {
        "1" or "on" or "yes" or "true" => true,
        "0" or "off" or "no" or "false" or "" => false,
        _ => null,
    };
}
