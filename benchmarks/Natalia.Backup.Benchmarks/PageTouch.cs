using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// What a page of memory costs that a process touches for the first time: little on a machine of its own, much on a
/// virtual one whose hypervisor keeps the page tables itself, and a process that has just begun touches tens of
/// thousands.
/// </summary>
internal static class PageTouch
{
    private const int Bytes = 64 << 20, PageBytes = 4096;

    /// <summary>Seconds per page of 4 KiB.</summary>
    internal static unsafe double Measure()
    {
        // So much comes from the system, and not from what the library kept.
        var memory = (byte*)NativeMemory.Alloc(Bytes);
        try
        {
            long start = Stopwatch.GetTimestamp();
            for (int at = 0; at < Bytes; at += PageBytes) Volatile.Write(ref memory[at], 1);
            return Stopwatch.GetElapsedTime(start).TotalSeconds / (Bytes / PageBytes);
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }
}
