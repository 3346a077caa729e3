namespace Natalia.Backup.Engine.Audit;

/// <summary>The newest record of a log, as it was noted elsewhere. Immutable.</summary>
/// <param name="RecordHash">The record's hash: 64 hexadecimal digits.</param>
/// <param name="RepositoryId">The repository in whose logs it is; null when nobody noted that, and then it is looked
/// for in each.</param>
public sealed record ExpectedHead(string RecordHash, string? RepositoryId = null)
{
    /// <summary>A hash alone.</summary>
    /// <param name="recordHash">64 hexadecimal digits.</param>
    public static implicit operator ExpectedHead(string recordHash) => new(recordHash);

    /// <summary>The hash.</summary>
    public override string ToString() => RecordHash;
}
