namespace Natalia.Backup.Engine.Backup;

/// <summary>Whether the point of a backup is there.</summary>
public enum PublishState
{
    /// <summary>It is not, and will not be.</summary>
    NotPublished,

    /// <summary>
    /// The store was asked to make it visible, and its answer was lost: the point may be there, or still come. The
    /// next backup sees which.
    /// </summary>
    Unclear,

    /// <summary>It is there, and durable.</summary>
    Published,
}
