namespace Natalia.Backup.Engine.Files;

/// <summary>
/// What Linux says of a file. Two equal values, taken at two times, mean that nobody wrote in between.
/// </summary>
/// <param name="Kind">The type bits of its mode.</param>
/// <param name="NodeDevice">For a device: its number, the major one in the upper half; else 0.</param>
/// <param name="Device">The file system that it lies on.</param>
/// <param name="Inode">Its number there.</param>
/// <param name="Length">Its length in bytes; 0 for a device.</param>
/// <param name="Changed">When anything of it changed last, nanoseconds since 1970. No program can set it.</param>
/// <param name="Modified">When its bytes changed last, nanoseconds since 1970.</param>
internal readonly record struct UnixFileStatus(int Kind, ulong NodeDevice, ulong Device, ulong Inode, long Length,
    long Changed, long Modified)
{
    private const int Regular = 0x8000, BlockDevice = 0x6000, Folder = 0x4000;

    internal bool IsRegular => Kind == Regular;

    internal bool IsFolder => Kind == Folder;

    internal bool IsBlockDevice => Kind == BlockDevice;

    /// <summary>A file or block device. Anything else has no offsets, and opening a pipe would wait for ever.</summary>
    internal bool CanHoldDisk => Kind is Regular or BlockDevice;
}
