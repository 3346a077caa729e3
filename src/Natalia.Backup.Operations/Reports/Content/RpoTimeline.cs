using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports.Content;

/// <summary>One stretch of a period, and the worst gap that touches it.</summary>
/// <param name="FromUtc">Its beginning, UTC.</param>
/// <param name="ToUtc">Its end, UTC.</param>
/// <param name="Worst">The longest gap; null when none touches it, or those that do say nothing.</param>
/// <param name="IsOverTarget">Whether a gap over the target touches it.</param>
internal sealed record RpoStretch(DateTime FromUtc, DateTime ToUtc, TimeSpan? Worst, bool IsOverTarget);

/// <summary>
/// The gaps of a period in stretches of equal length, so that three years take no more room than a week.
/// </summary>
internal static class RpoTimeline
{
    private const int Most = 92;

    /// <summary>
    /// The stretches, oldest first: whole days, or as many days each as make at most 92 of them.
    /// </summary>
    internal static IReadOnlyList<RpoStretch> Of(ApplianceEvidence appliance)
    {
        TimeSpan period = appliance.MeasuredUtc - appliance.SinceUtc;
        if (period <= TimeSpan.Zero) return [];
        TimeSpan step = TimeSpan.FromDays(Math.Max(1, Math.Ceiling(period.TotalDays / Most)));
        var stretches = new RpoStretch[(int)Math.Ceiling(period.Ticks / (double)step.Ticks)];
        for (int i = 0; i < stretches.Length; i++)
        {
            DateTime from = appliance.SinceUtc + TimeSpan.FromTicks(step.Ticks * i);
            DateTime to = from + step;
            stretches[i] = new RpoStretch(from, to < appliance.MeasuredUtc ? to : appliance.MeasuredUtc, null, false);
        }
        foreach (EvidenceGap gap in appliance.Gaps)
        {
            if (gap.IsThinned || gap.ToUtc <= appliance.SinceUtc) continue;
            int first = Index(gap.FromUtc), last = Index(gap.ToUtc);
            for (int i = first; i <= last; i++)
            {
                TimeSpan? worst = stretches[i].Worst is TimeSpan known && known >= gap.Length ? known : gap.Length;
                stretches[i] = stretches[i] with
                {
                    Worst = worst,
                    IsOverTarget = stretches[i].IsOverTarget || gap.IsOverTarget,
                };
            }
        }
        return stretches;

        int Index(DateTime time) =>
            (int)Math.Min(Math.Max((time - appliance.SinceUtc).Ticks / step.Ticks, 0), stretches.Length - 1);
    }
}
