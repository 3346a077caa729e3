using System.Collections;
using System.Globalization;
using System.Management.Automation;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Takes a business calendar as text, as a list of holidays, or as a table with TimeZone, Weekend and Holidays; the
/// last two become text, which whoever reads it judges.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class BusinessCalendarArgumentAttribute : ArgumentTransformationAttribute
{
    /// <summary>Turns what the user gave into text.</summary>
    /// <param name="engineIntrinsics">The engine; not used.</param>
    /// <param name="inputData">What the user gave.</param>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        Unwrap(inputData) switch
        {
            null => null,
            string text => text,
            IDictionary table => string.Join("\n", table.Cast<DictionaryEntry>().Select(Entry)),
            IEnumerable list => string.Join("\n", list.Cast<object?>().Select(Text)),
            DateTime day => Text(day),
            object other => throw new ArgumentTransformationMetadataException(
                $"An object of type {other.GetType().Name} is not a business calendar."),
        };

    private static string Entry(DictionaryEntry entry)
    {
        IEnumerable<string> values = Unwrap(entry.Value) is IEnumerable list and not string
            ? list.Cast<object?>().Select(Text)
            : [Text(entry.Value)];
        return $"{entry.Key}".ToLowerInvariant() switch
        {
            "holidays" or "holiday" => string.Join("\n", values),
            "timezone" or "zone" => "zone: " + string.Join(",", values),
            string key => $"{key}: {string.Join(", ", values)}",
        };
    }

    private static string Text(object? value) => Unwrap(value) switch
    {
        DateTime day => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        object other => Convert.ToString(other, CultureInfo.InvariantCulture) ?? "",
        null => "",
    };

    private static object? Unwrap(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;
}
