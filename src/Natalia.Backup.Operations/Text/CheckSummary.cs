using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Text;

/// <summary>
/// Tells together what passed: whoever looks at a healthy repository wants one line of it, and beside something that is
/// wrong none of what is right.
/// </summary>
internal static class CheckSummary
{
    /// <summary>One result for each area of each repository, or of each appliance of a hypervisor.</summary>
    /// <param name="passed">Results that passed.</param>
    /// <param name="area">What the area of a check is called.</param>
    /// <param name="perAppliance">Whether appliances are told apart.</param>
    /// <param name="note">What is to be said of an area besides, or null.</param>
    internal static IReadOnlyList<CheckResult> Of(IEnumerable<CheckResult> passed, Func<CheckResult, string> area,
        bool perAppliance, Func<string, string?>? note = null) =>
        [.. passed
            .GroupBy(c => (c.Repository, c.RepositoryId, c.Hypervisor, ApplianceId: perAppliance ? c.ApplianceId : null,
                Area: area(c)))
            .Select(g => Together(g.Key.Area, [.. g], note?.Invoke(g.Key.Area)))];

    private static CheckResult Together(string area, IReadOnlyList<CheckResult> checks, string? note)
    {
        if (checks.Count == 1) return checks[0];
        List<string?> appliances = [.. checks.Select(c => c.ApplianceId).Where(a => a is not null).Distinct()];
        string whose = appliances.Count > 1 ? $" of {Plural.Count(appliances.Count, "appliance")}" : "";
        string names = string.Join(", ", checks.GroupBy(c => c.Name, c => c.CheckCount)
            .Select(g => g.Sum() == 1 ? g.Key : $"{g.Key} ({g.Sum()})"));
        return new CheckResult
        {
            Name = area,
            Result = CheckOutcome.Passed,
            Detail = $"{Plural.Count(checks.Sum(c => c.CheckCount), "check")}{whose} passed: {names}."
                + (note is null ? "" : " " + note),
            Duration = checks.Aggregate(TimeSpan.Zero, (sum, c) => sum + c.Duration),
            ApplianceId = appliances.Count == 1 ? appliances[0] : null,
            ApplianceName = appliances.Count == 1 ? checks.First(c => c.ApplianceId is not null).ApplianceName : null,
            Repository = checks[0].Repository,
            RepositoryId = checks[0].RepositoryId,
            Hypervisor = checks[0].Hypervisor,
            CheckCount = checks.Sum(c => c.CheckCount),
        };
    }
}
