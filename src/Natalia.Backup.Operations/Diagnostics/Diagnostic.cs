using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Diagnostics;

/// <summary>
/// What somebody who helps needs to know: versions, environment, connections, the last errors. Redacted, immutable and
/// job-safe.
/// </summary>
public sealed record Diagnostic
{
    /// <summary>When it was collected, UTC.</summary>
    public required DateTime CollectedUtc { get; init; }
    /// <summary>The version of the module.</summary>
    public required string ModuleVersion { get; init; }
    /// <summary>The version and edition of PowerShell.</summary>
    public required string PowerShell { get; init; }
    /// <summary>The operating system and the processor's kind.</summary>
    public required string OperatingSystem { get; init; }
    /// <summary>What is known of the environment.</summary>
    public IReadOnlyList<DiagnosticFact> Facts { get; init => field = ItemList.Of(value); } =
        ItemList.Of<DiagnosticFact>([]);
    /// <summary>The connections of the session, and those that a profile names and that could not be made.</summary>
    public IReadOnlyList<DiagnosticConnection> Connections { get; init => field = ItemList.Of(value); } =
        ItemList.Of<DiagnosticConnection>([]);
    /// <summary>The last errors of this module in the session, newest first.</summary>
    public IReadOnlyList<DiagnosticError> Errors { get; init => field = ItemList.Of(value); } =
        ItemList.Of<DiagnosticError>([]);
    /// <summary>The file that it was written to, a full path; null for none.</summary>
    public string? Path { get; init; }
    /// <summary>All of it as text, to be read before it is sent.</summary>
    public string Text => DiagnosticText.Of(this);

    /// <summary>The versions.</summary>
    public override string ToString() => $"{ModuleVersion}, {PowerShell}, {OperatingSystem}";
}
