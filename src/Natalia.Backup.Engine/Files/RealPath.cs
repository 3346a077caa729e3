using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Natalia.Backup.Engine.Files;

/// <summary>Where a path really leads, all links followed.</summary>
public static unsafe class RealPath
{
    /// <summary>How the file system compares names, to be used on real paths only.</summary>
    public static StringComparison Comparison =>
        Platform.IsWindows ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    /// <summary>The same as a comparer.</summary>
    public static StringComparer Comparer =>
        Platform.IsWindows ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;

    /// <summary>The real path of a file or folder, or null when there is none.</summary>
    /// <param name="path">The path.</param>
    public static string? Of(string path) => Platform.IsWindows ? OfWindows(path) : OfUnix(path);

    /// <summary>True when one real path lies inside a real folder.</summary>
    /// <param name="path">The real path to be inside.</param>
    /// <param name="folder">The folder's real path.</param>
    public static bool IsInside(string path, string folder)
    {
        string start = folder.EndsWith(Path.DirectorySeparatorChar.ToString(), StringComparison.Ordinal)
            ? folder
            : folder + Path.DirectorySeparatorChar;
        return path.Length > start.Length && path.StartsWith(start, Comparison);
    }

    private static string? OfUnix(string path)
    {
        byte[] name = Encoding.UTF8.GetBytes(path + "\0");
        byte* real;
        fixed (byte* p = name) real = realpath(p, null);
        if (real is null) return null;
        try
        {
            int length = 0;
            while (real[length] != 0) length++;
            return Encoding.UTF8.GetString(real, length);
        }
        finally
        {
            free(real);
        }
    }

    private static string? OfWindows(string path)
    {
        // the last one, so that folders open too
        const uint ShareAll = 7, OpenExisting = 3, BackupSemantics = 0x02000000;
        using SafeFileHandle handle = CreateFileW(WindowsPath.ForCalls(path), 0, ShareAll, IntPtr.Zero,
            OpenExisting, BackupSemantics, IntPtr.Zero);
        return handle.IsInvalid ? null : OfWindows(handle);
    }

    /// <summary>The real path of what a handle of Windows has open, or null when that cannot be learned.</summary>
    internal static string? OfWindows(SafeFileHandle handle)
    {
        var buffer = new char[32768];
        uint length = GetFinalPathNameByHandleW(handle, buffer, (uint)buffer.Length, 0);
        if (length == 0 || length >= buffer.Length) return null;
        return WindowsPath.ForPeople(new string(buffer, 0, (int)length));
    }

    [DllImport("libc")]
    private static extern byte* realpath(byte* path, byte* resolved);
    [DllImport("libc")]
    private static extern void free(void* memory);
    [DllImport("kernel32", CharSet = CharSet.Unicode, ExactSpelling = true, SetLastError = true)]
    private static extern SafeFileHandle CreateFileW(string path, uint access, uint share, IntPtr security,
        uint disposition, uint flags, IntPtr template);
    [DllImport("kernel32", CharSet = CharSet.Unicode, ExactSpelling = true, SetLastError = true)]
    private static extern uint GetFinalPathNameByHandleW(SafeFileHandle handle, [Out] char[] buffer, uint length,
        uint flags);
}
