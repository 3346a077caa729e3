#if !NET8_0_OR_GREATER
using System.Buffers;
using System.Runtime.InteropServices;
#endif

namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>Calls on paths and files that the older framework lacks, under one name on both.</summary>
internal static class OlderFramework
{
    /// <summary>Whether a path means the same whatever the working folder is.</summary>
    internal static bool IsFullPath(string path)
    {
#if NET8_0_OR_GREATER
        return Path.IsPathFullyQualified(path);
#else
        if (!NativeFiles.IsWindows) return path.StartsWith("/", StringComparison.Ordinal);
        return path.StartsWith(@"\\", StringComparison.Ordinal)
            || (path.Length > 2 && path[1] == ':' && path[2] is '\\' or '/');
#endif
    }

    /// <summary>Writes bytes that need not lie in an array.</summary>
    internal static void Write(FileStream file, ReadOnlyMemory<byte> bytes)
    {
#if NET8_0_OR_GREATER
        file.Write(bytes.Span);
#else
        if (MemoryMarshal.TryGetArray(bytes, out ArraySegment<byte> array))
        {
            file.Write(array.Array!, array.Offset, array.Count);
            return;
        }
        byte[] rented = ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            bytes.CopyTo(rented);
            file.Write(rented, 0, bytes.Length);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
#endif
    }
}
