using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Reports.Json;

/// <summary>Members of the kinds that reports have. What is not known is left out.</summary>
internal static class JsonMembers
{
    /// <summary>To the tick, as everywhere in this product's JSON.</summary>
    internal static void WriteTime(this Utf8JsonWriter json, string name, DateTime? utc)
    {
        if (utc is DateTime time)
            json.WriteString(name, time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'",
                CultureInfo.InvariantCulture));
    }

    /// <summary>In seconds, with at most three digits behind the point.</summary>
    internal static void WriteSeconds(this Utf8JsonWriter json, string name, TimeSpan? span)
    {
        if (span is TimeSpan known)
            json.WriteNumber(name, Math.Round((decimal)known.Ticks / TimeSpan.TicksPerSecond, 3));
    }

    internal static void WriteText(this Utf8JsonWriter json, string name, string? text)
    {
        if (text is not null) json.WriteString(name, text);
    }

    internal static void WriteCount(this Utf8JsonWriter json, string name, long? number)
    {
        if (number is long known) json.WriteNumber(name, known);
    }

    internal static void WriteFlag(this Utf8JsonWriter json, string name, bool? flag)
    {
        if (flag is bool known) json.WriteBoolean(name, known);
    }

    internal static void WriteTexts(this Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }

    /// <summary>A list of objects, whose members <paramref name="write"/> writes.</summary>
    internal static void WriteObjects<T>(this Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (T item in items)
        {
            json.WriteStartObject();
            write(item);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    internal static void WriteCheck(this Utf8JsonWriter json, CheckResult check)
    {
        json.WriteString("name", check.Name);
        json.WriteString("result", $"{check.Result}");
        json.WriteText("target", check.Target);
        json.WriteText("expected", check.Expected);
        json.WriteText("actual", check.Actual);
        json.WriteText("tolerance", check.Tolerance);
        json.WriteSeconds("durationSeconds", check.Duration);
        json.WriteText("detail", check.Detail);
        json.WriteText("errorId", check.ErrorId);
    }
}
