namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Memory that begins at a page, from which the system can write to a disk without copying it first (see
/// <see cref="RawDiskTarget"/>).
/// </summary>
internal static class PageMemory
{
#if NET8_0_OR_GREATER
    private const int PageBytes = 4096;
#endif

    /// <summary>
    /// Allocates; what it holds is not defined. On netstandard2.0, where memory cannot be kept in its place, it begins
    /// anywhere.
    /// </summary>
    internal static unsafe Memory<byte> Allocate(int bytes)
    {
#if NET8_0_OR_GREATER
        byte[] memory = LargeMemory.Allocate(bytes + PageBytes, pinned: true);
        fixed (byte* p = memory) return memory.AsMemory((int)((PageBytes - (nuint)p % PageBytes) % PageBytes), bytes);
#else
        return LargeMemory.Allocate(bytes);
#endif
    }
}
