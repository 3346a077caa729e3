using System.Globalization;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Guests;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>Compares a count of call records with its baseline. Pure.</summary>
internal static class CdrComparison
{
    /// <summary>The verdict. Nothing, or zero, on either side is no evidence, and never a pass.</summary>
    /// <param name="baseline">What was kept with the point, or null.</param>
    /// <param name="answer">What was counted in the test VM.</param>
    /// <param name="day">The day that was asked for.</param>
    /// <param name="zone">Its zone.</param>
    /// <param name="tolerance">By how much the count may differ, in percent of the baseline.</param>
    internal static CheckResult Judge(CdrBaseline? baseline, CdrCounter.Answer answer, string day, string zone,
        decimal tolerance)
    {
        string asked = $"Call records of {day} ({zone}).";
        var check = new CheckResult
        {
            Name = RestoreTestChecks.CdrCount,
            Target = $"{day} ({zone})",
            Result = CheckOutcome.NotEvidenced,
            Expected = baseline is null ? null : Number(baseline.Count),
            Actual = answer.Count is long counted ? Number(counted) : null,
            Tolerance = baseline is null ? null : Rule(baseline.Count, tolerance),
        };
        if (answer.Count is not long count)
            return check with { Detail = $"{asked} There is no number: {answer.Text}".TrimEnd() };
        if (baseline is null)
            return check with
            {
                Detail = $"{asked} The restore point has no baseline to compare with: it is taken when the point is "
                    + "made and a counting command is set, or given with Invoke-NataliaBackup -CdrBaseline.",
            };
        if (baseline.Count == 0)
            return check with { Detail = $"{asked} The baseline is zero, which proves nothing." };
        if (count == 0)
            return check with
            {
                Detail = $"{asked} The count is zero: either nothing is there, or the command asks in the wrong place.",
            };
        decimal difference = (decimal)count - baseline.Count, percent = 100 * difference / baseline.Count;
        bool isWithin = Math.Abs(difference) * 100 <= baseline.Count * tolerance;
        string taken = baseline.IsCounted ? "counted when the point was made" : "given when the point was made";
        return check with
        {
            Result = isWithin ? CheckOutcome.Passed : CheckOutcome.Failed,
            Detail = string.Format(CultureInfo.InvariantCulture,
                "{0} Difference {1:+0;-0;0} ({2:+0.000;-0.000;0} %), and {3} is allowed; the baseline was {4}.", asked,
                difference, percent, Rule(baseline.Count, tolerance), taken),
        };
    }

    private static string Rule(long baseline, decimal tolerance) =>
        string.Format(CultureInfo.InvariantCulture, "±{0:0.####} % of {1}", tolerance, baseline);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
