#if !NET8_0_OR_GREATER
using System.Runtime.InteropServices;
#endif

namespace Natalia.Backup.Engine.Disks;

/// <summary>Whether bytes are all zero.</summary>
internal static class ZeroTest
{
    internal static bool IsZero(ReadOnlySpan<byte> bytes)
    {
#if NET8_0_OR_GREATER
        return bytes.IndexOfAnyExcept((byte)0) < 0;
#else
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (ulong word in words)
        {
            if (word != 0) return false;
        }
        foreach (byte rest in bytes.Slice(words.Length * sizeof(ulong)))
        {
            if (rest != 0) return false;
        }
        return true;
#endif
    }
}
