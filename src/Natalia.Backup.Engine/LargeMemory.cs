#if NET8_0_OR_GREATER
using System.Runtime.InteropServices;
#endif

namespace Natalia.Backup.Engine;

/// <summary>
/// Arrays of several MiB that are used again and again: of packs, leaves and requests. What they hold at first is not
/// defined. Linux is asked for large pages, which many distributions give only to who asks: a first touch is then one
/// for each 2 MiB instead of one for each 4 KiB, which is dear where a hypervisor keeps the page tables
/// (benchmarks/README.md). That is advice: without such pages, or where the system knows none, the memory is the same.
/// </summary>
internal static class LargeMemory
{
    /// <param name="bytes">How many.</param>
    /// <param name="pinned">Whether it stays where it is; on netstandard2.0 nothing does.</param>
    internal static byte[] Allocate(int bytes, bool pinned = false)
    {
#if NET8_0_OR_GREATER
        byte[] memory = GC.AllocateUninitializedArray<byte>(bytes, pinned);
        if (OperatingSystem.IsLinux()) AskForLargePages(memory);
        return memory;
#else
        _ = pinned;
        return new byte[bytes];
#endif
    }

#if NET8_0_OR_GREATER
    // MADV_HUGEPAGE, madvise(2).
    private const int LargePages = 14;

    private static unsafe void AskForLargePages(byte[] memory)
    {
        // The pages at both ends may hold a neighbour as well, to which the advice does no harm.
        nuint rest = (nuint)Environment.SystemPageSize - 1;
        fixed (byte* first = memory)
        {
            nuint start = (nuint)first & ~rest, end = ((nuint)first + (nuint)memory.Length + rest) & ~rest;
            _ = madvise(start, end - start, LargePages);
        }
    }

    [DllImport("libc")]
    private static extern int madvise(nuint address, nuint length, int advice);
#endif
}
