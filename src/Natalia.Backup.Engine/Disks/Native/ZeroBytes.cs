using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Disks.Native;

/// <summary>Tells whether bytes are all zero.</summary>
internal static class ZeroBytes
{
    internal static bool AreAll(ReadOnlySpan<byte> bytes)
    {
#if NET8_0_OR_GREATER
        return !bytes.ContainsAnyExcept((byte)0);
#else
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (ulong word in words)
        {
            if (word != 0) return false;
        }
        foreach (byte b in bytes.Slice(words.Length * sizeof(ulong)))
        {
            if (b != 0) return false;
        }
        return true;
#endif
    }
}
