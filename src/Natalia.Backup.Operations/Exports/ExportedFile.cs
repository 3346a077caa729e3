using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Exports;

/// <summary>A file that an <c>Export-</c> cmdlet wrote.</summary>
public sealed record ExportedFile
{
    /// <summary>Where it is: a full path.</summary>
    public required string Path { get; init; }
    /// <summary>
    /// Its length in bytes; of a flat VMDK that of the text, whose bytes are in the file beside it. A sparse file takes
    /// less room than that.
    /// </summary>
    public required long SizeBytes { get; init; }
    /// <summary>How long the writing took.</summary>
    public TimeSpan Duration { get; init; }
    /// <summary>The appliance that it is about, or null.</summary>
    public string? ApplianceId { get; init; }
    /// <summary>What the appliance is called, or null.</summary>
    public string? ApplianceName { get; init; }
    /// <summary>The restore point that it was made from; null when it was made from a live VM.</summary>
    public string? RestorePointId { get; init; }
    /// <summary>The name of the repository session that the point was read through; null for a live VM.</summary>
    public string? Repository { get; init; }
    /// <summary>The id of the point's repository; null for a live VM.</summary>
    public string? RepositoryId { get; init; }
    /// <summary>The disk that it holds, or null.</summary>
    public string? DiskId { get; init; }
    /// <summary>The attachment that it holds, or null.</summary>
    public string? AttachmentName { get; init; }
    /// <summary>
    /// How many bytes of the disk are lost and are zeros in the file: only with -AllowLoss more than 0.
    /// </summary>
    public long BytesLost { get; init; }
    /// <summary>Where in the disk they are, ascending. An extent may hold zeros besides what is lost.</summary>
    public IReadOnlyList<Extent> LostExtents { get; init => field = ItemList.Of(value); } = ItemList.Of<Extent>([]);

    /// <summary>The path.</summary>
    public override string ToString() => Path;
}
