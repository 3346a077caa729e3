namespace Natalia.Backup.Engine.Disks;

/// <summary>Where the bytes of a part of a disk are.</summary>
internal enum ImageRunKind
{
    /// <summary>They are zeros, and nowhere.</summary>
    Zero = 0,
    /// <summary>In this image's file.</summary>
    Stored,
    /// <summary>In the parent; zeros where it has none or is shorter.</summary>
    Parent,
}

/// <summary>A part of a disk whose bytes are all in one place.</summary>
/// <param name="Kind">Which place.</param>
/// <param name="FileOffset">Where in the file, if they are stored there.</param>
/// <param name="Length">How many bytes, 1 or more.</param>
internal readonly record struct ImageRun(ImageRunKind Kind, long FileOffset, long Length);
