using System.Collections;
using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Pipeline;

/// <summary>
/// The checks that users give as script blocks. Each gets the test as its first argument and as $_, and its last output
/// is the verdict: a Boolean, a CheckResult, or an object with the property Result. Nothing, or something else, is no
/// evidence; an error that ends the script is a failed check.
/// </summary>
internal static class CheckScripts
{
    /// <summary>Reads what the user gave.</summary>
    /// <param name="given">Script blocks, or tables of names and script blocks.</param>
    /// <param name="runAsync">Runs something on the pipeline thread.</param>
    /// <exception cref="NataliaException"><c>CheckInvalid</c>.</exception>
    internal static IReadOnlyList<OwnCheck> Read(IEnumerable<object?>? given,
        Func<Func<CheckResult>, Task<CheckResult>> runAsync)
    {
        List<OwnCheck> checks = [];
        foreach (object? item in given ?? [])
        {
            switch (Unwrap(item))
            {
                case ScriptBlock block:
                    Add(string.Format(CultureInfo.InvariantCulture, "Check{0}", checks.Count + 1), block);
                    break;
                case IDictionary table:
                    foreach (DictionaryEntry entry in table)
                        Add($"{entry.Key}", Unwrap(entry.Value) as ScriptBlock ?? throw Invalid(entry.Value));
                    break;
                default: throw Invalid(item);
            }
        }
        return checks;

        void Add(string name, ScriptBlock block) =>
            checks.Add(new OwnCheck(name, (subject, _) => runAsync(() => Run(name, block, subject))));
    }

    private static CheckResult Run(string name, ScriptBlock block, RestoreTestSubject subject)
    {
        try
        {
            PSObject? last = block.InvokeWithContext(null, [new PSVariable("_", subject)], subject).LastOrDefault();
            return Judge(name, last);
        }
        catch (Exception e) when (e is ExitException or LoopFlowException)
        {
            // It would leave all of the test, and no verdict.
            return new CheckResult
            {
                Name = name,
                Result = CheckOutcome.Failed,
                Actual = "the script was left",
                Detail = "The script was left with 'exit', 'break' or 'continue', and gave no verdict: write a Boolean "
                    + "and use 'return'.",
            };
        }
        catch (Exception e) when (e is RuntimeException and not PipelineStoppedException)
        {
            // What a script of checks throws is what it found, as in Pester.
            return new CheckResult
            {
                Name = name,
                Result = CheckOutcome.Failed,
                Actual = "the script ended with an error",
                Detail = DisplayText.Clean(e.Message),
            };
        }
    }

    private static CheckResult Judge(string name, PSObject? verdict)
    {
        switch (verdict?.BaseObject)
        {
            case bool passed:
                return new CheckResult
                {
                    Name = name,
                    Result = passed ? CheckOutcome.Passed : CheckOutcome.Failed,
                    Expected = "True",
                    Actual = passed ? "True" : "False",
                };
            case CheckResult result:
                return result;
        }
        if (Text("Result") is string text && Enum.TryParse(text, ignoreCase: true, out CheckOutcome outcome)
            && Enum.IsDefined(typeof(CheckOutcome), outcome))
            return new CheckResult
            {
                Name = name,
                Result = outcome,
                Expected = Text("Expected"),
                Actual = Text("Actual"),
                Tolerance = Text("Tolerance"),
                Detail = Text("Detail"),
            };
        return new CheckResult
        {
            Name = name,
            Result = CheckOutcome.NotEvidenced,
            Actual = verdict is null ? "nothing" : DisplayText.CleanLine(verdict.ToString()),
            Detail = "The script gave no verdict: a Boolean, or an object with the property Result, must be the last "
                + "that it writes.",
        };

        string? Text(string property) =>
            verdict?.Properties[property]?.Value is object value
                ? DisplayText.Clean(Convert.ToString(Unwrap(value), CultureInfo.InvariantCulture))
                : null;
    }

    private static NataliaException Invalid(object? item) =>
        new(ErrorIds.CheckInvalid, NataliaErrorKind.InvalidArgument,
            $"A check is a script block, or a table of names and script blocks, and not {Kind(item)}.", null,
            "Write -Check { $_.Run('/usr/bin/true').ExitCode -eq 0 }, or -Check @{ Licence = { … } }.");

    private static string Kind(object? item) => Unwrap(item) is object value ? $"a {value.GetType().Name}" : "nothing";

    private static object? Unwrap(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;
}
