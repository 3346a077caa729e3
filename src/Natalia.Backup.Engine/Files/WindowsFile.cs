#if !NET8_0_OR_GREATER
using System.ComponentModel;
#endif
using System.Runtime.InteropServices;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Files;

/// <summary>The file calls of Windows that no framework offers.</summary>
internal static unsafe class WindowsFile
{
    private const int ErrorMoreData = 234;

    /// <summary>
    /// Reads which parts of a file are allocated, from an offset on.
    /// </summary>
    /// <param name="handle">The file.</param>
    /// <param name="from">Where to begin.</param>
    /// <param name="length">How far to look.</param>
    /// <param name="ranges">Where to put them.</param>
    /// <param name="more">True when not all of them had room.</param>
    /// <returns>How many there are; -1 when the file system cannot say.</returns>
    internal static int QueryAllocatedRanges(SafeHandle handle, long from, long length, Extent[] ranges, out bool more)
    {
        const uint FSCTL_QUERY_ALLOCATED_RANGES = 0x000940CF;
        more = false;
        var asked = new Extent(from, length);
        fixed (Extent* answer = ranges)
        {
            // An Extent lies in memory as FILE_ALLOCATED_RANGE_BUFFER does: two 64-bit numbers.
            if (!DeviceIoControl(handle, FSCTL_QUERY_ALLOCATED_RANGES, &asked, sizeof(Extent), answer,
                ranges.Length * sizeof(Extent), out int bytes, IntPtr.Zero))
            {
                if (Marshal.GetLastWin32Error() != ErrorMoreData) return -1;
                more = true;
            }
            return bytes / sizeof(Extent);
        }
    }

    /// <summary>
    /// Makes a file sparse, so that what is never written takes no room. Not every file system can; then the file is
    /// just bigger on disk.
    /// </summary>
    internal static void SetSparse(SafeHandle handle)
    {
        const uint FSCTL_SET_SPARSE = 0x000900C4;
        _ = DeviceIoControl(handle, FSCTL_SET_SPARSE, null, 0, null, 0, out _, IntPtr.Zero);
    }

#if !NET8_0_OR_GREATER
    /// <summary>Reads at an offset; 0 at the end of the file.</summary>
    internal static int Read(SafeHandle handle, byte* buffer, int count, long offset)
    {
        const int ErrorHandleEof = 38;
        NativeOverlapped at = At(offset);
        if (ReadFile(handle, buffer, count, out int done, &at)) return done;
        int error = Marshal.GetLastWin32Error();
        return error == ErrorHandleEof ? 0 : throw Error("read", error);
    }

    /// <summary>Writes at an offset; may write less than asked for.</summary>
    internal static int Write(SafeHandle handle, byte* buffer, int count, long offset)
    {
        NativeOverlapped at = At(offset);
        return WriteFile(handle, buffer, count, out int done, &at)
            ? done
            : throw Error("written", Marshal.GetLastWin32Error());
    }

    /// <summary>Gives a file the name of another one, which is gone then, or a name that nobody has; on the disk when
    /// it returns. In one step.</summary>
    /// <exception cref="IOException">Both have their names still.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    internal static void Replace(string from, string to)
    {
        const uint MOVEFILE_REPLACE_EXISTING = 1, MOVEFILE_WRITE_THROUGH = 8;
        const int ErrorAccessDenied = 5;
        if (MoveFileEx(Full(from), Full(to), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) return;
        int error = Marshal.GetLastWin32Error();
        string message = $"{new Win32Exception(error).Message}: '{to}'";
        throw error == ErrorAccessDenied
            ? new UnauthorizedAccessException(message)
            : new IOException(message, unchecked((int)0x80070000) | error);
    }

    private static string Full(string path) =>
        WindowsPath.ForCalls(Path.IsPathRooted(path) ? path : Path.GetFullPath(path));

    private static NativeOverlapped At(long offset) => new()
    {
        OffsetLow = unchecked((int)offset),
        OffsetHigh = (int)(offset >> 32),
    };

    private static IOException Error(string done, int error) =>
        new($"The file cannot be {done}: error {error} of the operating system.", unchecked((int)0x80070000) | error);

    [DllImport("kernel32", EntryPoint = "MoveFileExW", SetLastError = true, CharSet = CharSet.Unicode,
        ExactSpelling = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool MoveFileEx(string existing, string replacement, uint flags);
    [DllImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool ReadFile(SafeHandle handle, byte* buffer, int count, out int done, NativeOverlapped* at);
    [DllImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool WriteFile(SafeHandle handle, byte* buffer, int count, out int done,
        NativeOverlapped* at);
#endif
    [DllImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool DeviceIoControl(SafeHandle handle, uint code, void* input, int inputBytes, void* output,
        int outputBytes, out int returned, IntPtr overlapped);
}
