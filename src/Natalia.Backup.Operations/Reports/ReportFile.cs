using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports;

/// <summary>A report that was written, and what stands at its head. Immutable and job-safe.</summary>
public sealed record ReportFile
{
    /// <summary>Where it is: a full path.</summary>
    public required string Path { get; init; }
    /// <summary>What it is written as.</summary>
    public required ReportFormat Format { get; init; }
    /// <summary>Its length in bytes.</summary>
    public required long SizeBytes { get; init; }
    /// <summary>The SHA-256 of its bytes, 64 lowercase hexadecimal digits.</summary>
    public required string Sha256 { get; init; }
    /// <summary>The report's id: 32 lowercase hexadecimal digits.</summary>
    public required string ReportId { get; init; }
    /// <summary>When it was made, UTC.</summary>
    public required DateTime GeneratedUtc { get; init; }
    /// <summary>The worst verdict in it.</summary>
    public required RecoveryVerdict Verdict { get; init; }
    /// <summary>The sentence at its head: <c>1 of 3 appliances meets every objective.</c></summary>
    public required string Headline { get; init; }
    /// <summary>How many appliances it tells of; 1 for a report of one restore test.</summary>
    public required int ApplianceCount { get; init; }
    /// <summary>How many meet every objective.</summary>
    public required int MetCount { get; init; }
    /// <summary>How many miss at least one.</summary>
    public required int MissedCount { get; init; }
    /// <summary>How many miss none, and have no evidence for at least one.</summary>
    public required int NotEvidencedCount { get; init; }
    /// <summary>Where the JSON is that was signed: a full path; null where nothing was.</summary>
    public string? SignedPath { get; init; }
    /// <summary>Where its signature is: a full path; null where nothing was signed.</summary>
    public string? SignaturePath { get; init; }

    /// <summary>The path.</summary>
    public override string ToString() => Path;
}
