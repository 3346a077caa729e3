using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Diagnostics;

/// <summary>One thing that is known of the environment. Immutable and job-safe.</summary>
/// <param name="Area">What it belongs to: <c>PowerShell</c>, <c>System</c>, <c>Network</c>, <c>Module</c>.</param>
/// <param name="Name">What it is called.</param>
/// <param name="Value">What it is, redacted.</param>
public sealed record DiagnosticFact(string Area, string Name, string Value)
{
    /// <summary>The name and the value.</summary>
    public override string ToString() => $"{Name}: {Value}";
}

/// <summary>A connection of the session. Immutable and job-safe.</summary>
/// <param name="What"><c>Hypervisor</c> or <c>Repository</c>.</param>
/// <param name="Name">What the session calls it.</param>
/// <param name="Kind">Its kind; null where it could not be connected.</param>
/// <param name="Location">Where it is, without secrets; null where it could not be connected.</param>
/// <param name="Detail">What else is known of it, or why it could not be connected.</param>
public sealed record DiagnosticConnection(string What, string Name, string? Kind, string? Location, string Detail)
{
    /// <summary>What it is, and its name.</summary>
    public override string ToString() => $"{What} '{Name}'";
}

/// <summary>An error of the session. Immutable and job-safe.</summary>
public sealed record DiagnosticError
{
    /// <summary>The error's id: <c>about_NataliaErrors</c> has cause and cure of each.</summary>
    public required string ErrorId { get; init; }
    /// <summary>PowerShell's category of it.</summary>
    public required string Category { get; init; }
    /// <summary>The command that wrote it; null when unknown.</summary>
    public string? Command { get; init; }
    /// <summary>What it said.</summary>
    public required string Message { get; init; }
    /// <summary>What it recommended, or null.</summary>
    public string? RecommendedAction { get; init; }
    /// <summary>The exceptions behind it, each with its type, what it said, its code; the outermost first.</summary>
    public IReadOnlyList<string> Causes { get; init => field = ItemList.Of(value); } = ItemList.Of<string>([]);
    /// <summary>
    /// Where the innermost of them was thrown, of an error that nobody foresaw; null for all others.
    /// </summary>
    public string? StackTrace { get; init; }

    /// <summary>The id.</summary>
    public override string ToString() => ErrorId;
}
