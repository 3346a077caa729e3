#if NET8_0_OR_GREATER
using System.Globalization;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Tests;

public sealed class LargeMemoryTests
{
    [LargePagesFact]
    public void Large_pages_are_asked_for()
    {
        // That another array has no such flag says nothing: it may lie where one that is gone was advised.
        foreach (bool pinned in new[] { false, true })
            Assert.Contains(" hg", FlagsOf(LargeMemory.Allocate(32 << 20, pinned)));
    }

    [LargePagesFact]
    public async Task The_memory_of_packs_is_made_of_large_pages_where_there_are_some()
    {
        using var buffers = new PackBuffers(1, 32 << 20);
        byte[] buffer = await buffers.RentAsync(default);
        Assert.Contains(" hg", FlagsOf(buffer));
    }

    /// <summary>The flags of the mapping that an array's middle lies in, proc(5).</summary>
    private static unsafe string FlagsOf(byte[] memory)
    {
        bool found = false;
        fixed (byte* middle = &memory[memory.Length / 2])
        {
            foreach (string line in File.ReadLines("/proc/self/smaps"))
            {
                string first = line.Split(' ')[0];
                if (!first.EndsWith(':'))
                {
                    ulong[] range = [.. first.Split('-')
                        .Select(n => ulong.Parse(n, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
                    found = range[0] <= (ulong)middle && (ulong)middle < range[1];
                }
                else if (found && first == "VmFlags:")
                {
                    return line;
                }
            }
        }
        throw new InvalidOperationException("The array lies in no mapping.");
    }
}

/// <summary>A test of what Linux was asked for; skipped with the reason where it has no large pages.</summary>
public sealed class LargePagesFactAttribute : FactAttribute
{
    public LargePagesFactAttribute()
    {
        if (!Directory.Exists("/sys/kernel/mm/transparent_hugepage")) Skip = "This system has no large pages.";
    }
}
#endif
