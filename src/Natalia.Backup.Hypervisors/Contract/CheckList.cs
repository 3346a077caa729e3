using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>The checks of one look at the prerequisites, in their order. One thread.</summary>
internal sealed class CheckList
{
    private readonly List<CheckResult> _all = [];

    /// <summary>The appliance that the checks to come are of; null for none.</summary>
    internal string? ApplianceId { get; set; }

    internal IReadOnlyList<CheckResult> All => _all;

    /// <summary>Adds one. The error id is kept with a check that failed only.</summary>
    internal void Add(string name, string? target, CheckOutcome result, string? expected = null, string? actual = null,
        string? detail = null, string? errorId = null) => _all.Add(new CheckResult
        {
            Name = name,
            Target = target,
            Result = result,
            Expected = expected,
            Actual = actual,
            Detail = detail,
            ApplianceId = ApplianceId,
            ErrorId = result == CheckOutcome.Failed ? errorId : null,
        });

    /// <summary>Adds checks that are made already, as they are.</summary>
    internal void AddRange(IEnumerable<CheckResult> checks) => _all.AddRange(checks);
}
