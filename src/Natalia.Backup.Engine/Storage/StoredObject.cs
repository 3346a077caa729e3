namespace Natalia.Backup.Engine.Storage;

/// <summary>One listed object.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="LastModifiedUtc">When it was put, by the <i>store's</i> clock, UTC. Comparable with other times of the
/// same store only.</param>
public sealed record StoredObject(string Name, long Length, DateTime LastModifiedUtc)
{
    /// <summary>
    /// True when it lies in a class from which it may have to be thawed before it is read:
    /// <see cref="IObjectArchive.GetThawStateAsync"/> tells.
    /// </summary>
    public bool MayNeedThaw { get; init; }
}
