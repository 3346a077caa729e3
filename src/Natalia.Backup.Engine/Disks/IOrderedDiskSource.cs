namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// A source that arrives as a stream: it is read by one reader, at ascending offsets. Going back is allowed and begins
/// the stream anew, so that it costs as much as everything read before.
/// </summary>
public interface IOrderedDiskSource : IDiskSource
{
    /// <summary>Whether that holds for this source. Constant.</summary>
    bool IsOrdered { get; }
}
