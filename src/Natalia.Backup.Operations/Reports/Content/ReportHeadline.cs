using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Reports.Content;

/// <summary>
/// What stands above everything: how many appliances meet all their objectives, and the worst thing there is. It counts
/// the worst case: none of one is a miss, and what nobody tested is not met.
/// </summary>
/// <param name="Verdict">The worst verdict of all.</param>
/// <param name="Text">In one sentence: <c>1 of 3 appliances meets every objective.</c></param>
/// <param name="Worst">The worst finding; null when there is none, or the report is of one test.</param>
/// <param name="MetCount">How many appliances meet every objective.</param>
/// <param name="MissedCount">How many miss at least one.</param>
/// <param name="NotEvidencedCount">How many miss none, and do not have evidence for all.</param>
internal sealed record ReportHeadline(RecoveryVerdict Verdict, string Text, RecoveryMeasurement? Worst, int MetCount,
    int MissedCount, int NotEvidencedCount)
{
    /// <summary>The headline of a report.</summary>
    internal static ReportHeadline Of(Report report) =>
        report.Test is RestoreTest test ? Of(test) : Of(report.Appliances, report.Troubles);

    /// <summary>The verdict on one appliance: the worst of its objectives. Without any there is no evidence.</summary>
    internal static RecoveryVerdict Of(ApplianceEvidence appliance) =>
        appliance.Measurements.Any(m => m.Verdict == RecoveryVerdict.Missed) ? RecoveryVerdict.Missed
        : appliance.Measurements.Count > 0 && appliance.Measurements.All(m => m.Verdict == RecoveryVerdict.Met)
            ? RecoveryVerdict.Met
            : RecoveryVerdict.NotEvidenced;

    private static ReportHeadline Of(IReadOnlyList<ApplianceEvidence> appliances, IReadOnlyList<string> troubles)
    {
        RecoveryVerdict[] verdicts = [.. appliances.Select(Of)];
        int met = verdicts.Count(v => v == RecoveryVerdict.Met);
        int missed = verdicts.Count(v => v == RecoveryVerdict.Missed);
        bool isAllMet = met == verdicts.Length && met > 0;
        bool isWhole = troubles.Count == 0 && appliances.All(a => a.Troubles.Count == 0);
        string text = verdicts.Length == 0
            ? "No appliance was found, so that nothing is proved."
            : $"{met} of {Plural.Count(verdicts.Length, "appliance")} "
                + Plural.Of(verdicts.Length == 1 ? 1 : met, "meets", "meet") + " every objective"
                + (isAllMet && !isWhole ? ", but not everything could be read." : ".");
        return new ReportHeadline(
            missed > 0 ? RecoveryVerdict.Missed
                : isAllMet && isWhole ? RecoveryVerdict.Met
                : RecoveryVerdict.NotEvidenced,
            text, ReportFindings.Of(appliances).FirstOrDefault(), met, missed, verdicts.Length - met - missed);
    }

    private static ReportHeadline Of(RestoreTest test)
    {
        RecoveryVerdict verdict = test.Result switch
        {
            RestoreTestResult.Passed => RecoveryVerdict.Met,
            RestoreTestResult.Failed => RecoveryVerdict.Missed,
            _ => RecoveryVerdict.NotEvidenced,
        };
        string name = DisplayText.CleanLine(test.ApplianceName);
        string text = test.Result switch
        {
            RestoreTestResult.Passed => $"The restore test of {name} passed.",
            RestoreTestResult.Failed => $"The restore test of {name} failed.",
            _ => $"The restore test of {name} proves nothing: not everything could be tested.",
        };
        return new ReportHeadline(verdict, text, null, verdict == RecoveryVerdict.Met ? 1 : 0,
            verdict == RecoveryVerdict.Missed ? 1 : 0, verdict == RecoveryVerdict.NotEvidenced ? 1 : 0);
    }
}
