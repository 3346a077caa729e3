namespace Natalia.Backup.Engine.Storage;

/// <summary>Where a store really lies, as far as it can tell. What it cannot tell is null, never guessed.</summary>
public sealed record StorePlacement
{
    /// <summary>The name or address of the machine that keeps the objects; null for a local disk.</summary>
    public string? HostName { get; init; }
    /// <summary>True when that is the machine this process runs on.</summary>
    public bool? IsThisMachine { get; init; }
    /// <summary>How many bytes this account may still write there.</summary>
    public long? FreeBytes { get; init; }
    /// <summary>The type of the file system as the system calls it, such as <c>nfs4</c>; null for a bucket.</summary>
    public string? FileSystem { get; init; }
}
