using System.Globalization;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Times as marks on hypervisors have them: UTC, whole seconds, no blank, <c>20261130T010203Z</c>.</summary>
internal static class MarkTime
{
    private const string Format = "yyyyMMdd'T'HHmmss'Z'";

    internal static string ToText(DateTime utc) => utc.ToString(Format, CultureInfo.InvariantCulture);

    /// <summary>The time; null for any other text.</summary>
    internal static DateTime? TryParse(string? text) => DateTime.TryParseExact(text, Format,
        CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
        out DateTime time) ? time : null;
}
