using System.Globalization;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Tests.Retention;

/// <summary>Short words for the retention tests.</summary>
internal static class Plans
{
    internal static readonly DateTime Now = Utc("2026-03-10T00:00:00Z");

    internal static DateTime Utc(string text) =>
        DateTime.Parse(text, CultureInfo.InvariantCulture,
            DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal);

    internal static RetentionPoint At(string utc) => new() { TimeUtc = Utc(utc), RestorePointId = utc };

    internal static RetentionPoint[] Every(string fromUtc, double hours, int count) =>
        Enumerable.Range(0, count).Select(i => Utc(fromUtc).AddHours(i * hours))
            .Select(t => new RetentionPoint { TimeUtc = t, RestorePointId = t.ToString("O") }).ToArray();

    internal static IReadOnlyList<RetentionPlanRow> Plan(this RetentionPolicy policy, params RetentionPoint[] points) =>
        RetentionPlanner.Plan(points, policy, Now);

    internal static RetentionPlanRow Row(this IReadOnlyList<RetentionPlanRow> rows, string utc) =>
        Assert.Single(rows, r => r.TimeUtc == Utc(utc));

    /// <summary>
    /// What decided about a row, in the words of the vectors: <c>keep daily 1/7</c>, <c>remove weekly</c>, <c>remove
    /// -</c>, <c>protected</c>.
    /// </summary>
    internal static string Mark(this RetentionPlanRow row)
    {
        string rule = row.Rule == RetentionRule.None ? "-" : row.Rule.ToString().ToLowerInvariant();
        return row.Action switch
        {
            RetentionAction.Protected => "protected",
            RetentionAction.Keep => $"keep {rule}" + (row.Slot is int slot ? $" {slot}/{row.SlotLimit}" : ""),
            RetentionAction.Remove => $"remove {rule}",
            _ => "locked " + rule,
        };
    }

    internal static RetentionPolicy Policy(IReadOnlyDictionary<string, int> keep, string zone)
    {
        int? Limit(string rule) => keep.TryGetValue(rule, out int limit) ? limit : null;
        return new RetentionPolicy
        {
            Last = Limit("last"),
            Hourly = Limit("hourly"),
            Daily = Limit("daily"),
            Weekly = Limit("weekly"),
            Monthly = Limit("monthly"),
            Yearly = Limit("yearly"),
            TimeZoneId = zone,
        };
    }
}
