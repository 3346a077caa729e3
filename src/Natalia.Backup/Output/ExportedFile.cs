namespace Natalia.Backup;

/// <summary>A file that an <c>Export-</c> cmdlet wrote.</summary>
public sealed record ExportedFile
{
    /// <summary>Where it is: a full path.</summary>
    public required string Path { get; init; }
    /// <summary>Its length in bytes. A sparse file takes less room than that.</summary>
    public required long SizeBytes { get; init; }
    /// <summary>How long the writing took.</summary>
    public TimeSpan Duration { get; init; }
    /// <summary>The appliance that it is about, or null.</summary>
    public string? ApplianceId { get; init; }
    /// <summary>What the appliance is called, or null.</summary>
    public string? ApplianceName { get; init; }
    /// <summary>The restore point that it was made from; null when it was made from a live VM.</summary>
    public string? RestorePointId { get; init; }
    /// <summary>The disk that it holds, or null.</summary>
    public string? DiskId { get; init; }

    /// <summary>The path.</summary>
    public override string ToString() => Path;
}
