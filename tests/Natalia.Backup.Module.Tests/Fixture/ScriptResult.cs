using System.Management.Automation;

namespace Natalia.Backup.Module.Tests;

/// <summary>Everything that a script wrote, stream by stream.</summary>
public sealed class ScriptResult
{
    public required IReadOnlyList<PSObject?> Output { get; init; }

    /// <summary>Non-terminating errors, in order.</summary>
    public required IReadOnlyList<ErrorRecord> Errors { get; init; }

    /// <summary>The error that ended the script, or null.</summary>
    public required ErrorRecord? TerminatingError { get; init; }

    public required IReadOnlyList<string> Warnings { get; init; }

    public required IReadOnlyList<string> Verbose { get; init; }

    public required IReadOnlyList<string> Information { get; init; }

    public required IReadOnlyList<ProgressRecord> Progress { get; init; }

    /// <summary>The fully qualified ids of all errors, the terminating one last.</summary>
    public IReadOnlyList<string> ErrorIds => [.. AllErrors.Select(e => e.FullyQualifiedErrorId)];

    /// <summary>The one object that was written.</summary>
    public PSObject Single => Output.Count == 1
        ? Output[0]!
        : throw new InvalidOperationException($"{Output.Count} objects were written, not one.{Describe()}");

    private IEnumerable<ErrorRecord> AllErrors => TerminatingError is null ? Errors : Errors.Append(TerminatingError);

    /// <summary>The value of a property of the one object that was written.</summary>
    public object? Value(string property) => Single.Properties[property] is { } found
        ? found.Value
        : throw new InvalidOperationException($"{Single.TypeNames[0]} has no property '{property}'.");

    /// <summary>The output as text, one entry for each object.</summary>
    public IReadOnlyList<string> Text => [.. Output.Select(o => o?.ToString() ?? "")];

    public ScriptResult ThrowIfFailed() =>
        AllErrors.Any() ? throw new InvalidOperationException("The script failed." + Describe()) : this;

    private string Describe() =>
        string.Concat(AllErrors
            .Select(e => $"{Environment.NewLine}{e.FullyQualifiedErrorId}: "
                + $"{e.Exception}{Environment.NewLine}{e.ScriptStackTrace}"));
}
