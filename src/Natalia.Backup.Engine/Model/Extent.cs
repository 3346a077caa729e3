using System.Globalization;

namespace Natalia.Backup.Engine.Model;

/// <summary>A byte range of a disk.</summary>
/// <param name="Offset">The first byte, 0 or more.</param>
/// <param name="Length">How many bytes, more than 0.</param>
public readonly record struct Extent(long Offset, long Length)
{
    /// <summary>The first byte behind the range.</summary>
    public long End => Offset + Length;

    /// <summary>Where it begins and how long it is, in bytes: <c>65536+4096</c>.</summary>
    public override string ToString() =>
        string.Format(CultureInfo.InvariantCulture, "{0}+{1}", Offset, Length);
}
