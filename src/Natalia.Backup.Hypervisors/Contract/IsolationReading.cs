using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>What was read back of a test VM for the proof that it is isolated, one check for each reading.</summary>
internal static class IsolationReading
{
    /// <summary>A reading that is as it must be, or is not.</summary>
    internal static CheckResult Of(string name, string target, bool isProven, string? expected, string? actual) =>
        Of(name, target, isProven ? CheckOutcome.Passed : CheckOutcome.Failed, expected, actual);

    /// <summary>A reading. What is neither proved nor a mere warning has the error id of all of them.</summary>
    internal static CheckResult Of(string name, string target, CheckOutcome result, string? expected, string? actual,
        string? detail = null) => new()
        {
            Name = name,
            Target = target,
            Result = result,
            Expected = expected,
            Actual = actual,
            Detail = detail,
            ErrorId = result is CheckOutcome.Passed or CheckOutcome.Warning ? null : ErrorIds.IsolationNotProven,
        };
}
