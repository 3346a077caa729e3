using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// Which days, weeks and months of 7 daily, 4 weekly and 3 monthly are held by a good point. Which ones they are is
/// what the retention planner would keep of a backup every day. Pure.
/// </summary>
internal static class CoverageRules
{
    /// <summary>7 days, the 4 weeks and the 3 months before them.</summary>
    private static readonly RetentionPolicy s_wanted = new() { Daily = 7, Weekly = 4, Monthly = 3 };

    /// <summary>How many that are.</summary>
    internal const int Wanted = 14;

    /// <summary>So far back 14 of them reach at most, and a little more.</summary>
    private const int DaysBack = 7 + 5 * 7 + 5 * 31;

    /// <summary>The periods that should be held, newest first within each rule.</summary>
    /// <param name="points">The points that are kept.</param>
    /// <param name="firstUtc">When the appliance's first point was made, as far as it is known; null without any.
    /// </param>
    /// <param name="timeZoneId">The zone in which days begin.</param>
    /// <param name="nowUtc">When it is asked.</param>
    internal static IReadOnlyList<EvidenceHolding> Holdings(IReadOnlyList<EvidencePoint> points, DateTime? firstUtc,
        string timeZoneId, DateTime nowUtc)
    {
        TimeZoneInfo zone = TimeZones.Find(timeZoneId);
        RetentionPolicy policy = s_wanted with { TimeZoneId = timeZoneId };
        List<EvidencePoint> good = [.. points.Where(p => p.IsKept && p.IsGood && p.TimeUtc <= nowUtc)];
        // The planner gives each point its labels; without rules it keeps all.
        Dictionary<(RetentionRule, string), EvidencePoint> held = [];
        Dictionary<string, EvidencePoint> byId = [];
        foreach (EvidencePoint point in good) byId[point.RestorePointId] = point;
        foreach (RetentionPlanRow row in RetentionPlanner.Plan(
            byId.Values.Select(p => new RetentionPoint { RestorePointId = p.RestorePointId, TimeUtc = p.TimeUtc }),
            new RetentionPolicy { TimeZoneId = timeZoneId }, nowUtc))
        {
            // Newest first: the first one of a period is its newest.
            foreach (RetentionRule rule in new[] { RetentionRule.Daily, RetentionRule.Weekly, RetentionRule.Monthly })
                if (!held.ContainsKey((rule, Label(row, rule))))
                    held.Add((rule, Label(row, rule)), byId[row.RestorePointId!]);
        }
        DateTime today = TimeZoneInfo.ConvertTimeFromUtc(nowUtc, zone).Date;
        DateTime? first = firstUtc is DateTime f ? TimeZoneInfo.ConvertTimeFromUtc(f, zone).Date : null;
        // Today counts when it has its point; it is not over yet.
        bool hasToday = held.ContainsKey((RetentionRule.Daily, Day(today)));
        List<RetentionPoint> supposed = [];
        for (int i = hasToday ? 0 : 1; i < DaysBack; i++)
            supposed.Add(new RetentionPoint { TimeUtc = Noon(today.AddDays(-i), zone) });
        List<EvidenceHolding> holdings = [];
        foreach (RetentionPlanRow row in RetentionPlanner.Plan(supposed, policy, nowUtc))
        {
            if (row.Action != RetentionAction.Keep
                || row.Rule is not (RetentionRule.Daily or RetentionRule.Weekly or RetentionRule.Monthly))
                continue;
            string period = Label(row, row.Rule);
            held.TryGetValue((row.Rule, period), out EvidencePoint? point);
            // The newest day of the period that is supposed: one that ended before the first point is not missed.
            DateTime day = TimeZoneInfo.ConvertTimeFromUtc(row.TimeUtc, zone).Date;
            holdings.Add(new EvidenceHolding(row.Rule, period, timeZoneId, point?.RestorePointId, point?.TimeUtc,
                point is not null || (first is DateTime begin && day >= begin)));
        }
        return [.. holdings.OrderBy(h => h.Rule)];
    }

    internal static RecoveryMeasurement Measure(ApplianceEvidence evidence)
    {
        IReadOnlyList<EvidenceHolding> expected = [.. evidence.Holdings.Where(h => h.IsExpected)];
        int held = expected.Count(h => h.IsHeld);
        string attained = $"{held} of {Wanted}";
        List<EvidenceHolding> missing = [.. expected.Where(h => !h.IsHeld)];
        EvidenceRecord?[] records = [.. expected.Where(h => h.IsHeld)
            .Select(h => new EvidenceRecord(EvidenceKind.RestorePoint, h.RestorePointId!, h.PointTimeUtc))];
        if (expected.Count == 0)
            return Row(evidence.Troubles.Count > 0 ? RecoveryVerdict.NotEvidenced : RecoveryVerdict.Missed,
                "There is no good restore point." + RpoRules.Blind(evidence), "Invoke-NataliaBackup makes a point.");
        if (missing.Count > 0)
            return Row(RecoveryVerdict.Missed,
                $"No good point holds {string.Join(", ", missing.Take(5).Select(Name))}"
                + (missing.Count > 5 ? $" and {missing.Count - 5} more." : "."),
                "What is gone does not come back; see that the schedule runs, and that the retention policy keeps at "
                + "least daily 7, weekly 4, monthly 3.");
        return held < Wanted
            ? Row(RecoveryVerdict.NotEvidenced,
                $"Every day, week and month since the first point is held; {Plural.Count(Wanted - held, "period")} of "
                + $"{Wanted} {Plural.Of(Wanted - held, "lies", "lie")} before it.",
                "Nothing has to be done: they fill up with time.")
            : Row(RecoveryVerdict.Met, $"All of the 7 days, 4 weeks and 3 months are held, in "
                + $"{evidence.Holdings[0].TimeZoneId}.", null);

        RecoveryMeasurement Row(RecoveryVerdict verdict, string reason, string? action) =>
            RecoveryRow.Of(evidence, RecoveryObjective.Coverage, verdict, "7/4/3", attained, null, attained,
                reason, action, records);
    }

    private static string Name(EvidenceHolding holding) => holding.Rule switch
    {
        RetentionRule.Daily => "day ",
        RetentionRule.Weekly => "week ",
        _ => "month ",
    } + holding.Period;

    private static string Label(RetentionPlanRow row, RetentionRule rule) => rule switch
    {
        RetentionRule.Daily => row.Day,
        RetentionRule.Weekly => row.Week,
        _ => row.Month,
    };

    private static string Day(DateTime day) =>
        day.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Noon exists on every day of every zone.</summary>
    private static DateTime Noon(DateTime day, TimeZoneInfo zone)
    {
        DateTime noon = DateTime.SpecifyKind(day.AddHours(12), DateTimeKind.Unspecified);
        return zone.IsInvalidTime(noon)
            ? DateTime.SpecifyKind(noon - zone.BaseUtcOffset, DateTimeKind.Utc)
            : TimeZoneInfo.ConvertTimeToUtc(noon, zone);
    }
}
