namespace Natalia.Backup.Engine.Storage;

/// <summary>Whether an archived object can be read.</summary>
public enum ThawState
{
    /// <summary>Readable at once: not archived, or thawed.</summary>
    Readable = 0,
    /// <summary>Archived; a thaw must be asked for.</summary>
    Archived,
    /// <summary>A thaw was asked for and is under way.</summary>
    Thawing,
}
