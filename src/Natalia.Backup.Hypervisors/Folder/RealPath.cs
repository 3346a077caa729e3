using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>Where a path really leads, all links followed.</summary>
internal static unsafe class RealPath
{
    private static readonly bool s_isWindows = RuntimeInformation.IsOSPlatform(OSPlatform.Windows);

    /// <summary>How the file system compares names, to be used on real paths only.</summary>
    internal static StringComparison Comparison => s_isWindows ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    /// <summary>The same as a comparer.</summary>
    internal static StringComparer Comparer => s_isWindows ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;

    /// <summary>The real path of a file or folder, or null when there is none.</summary>
    internal static string? Of(string path) => s_isWindows ? OfWindows(path) : OfUnix(path);

    /// <summary>True when one real path lies inside a real folder.</summary>
    internal static bool IsInside(string path, string folder)
    {
        string start = folder.EndsWith(Path.DirectorySeparatorChar.ToString(), StringComparison.Ordinal) ? folder : folder + Path.DirectorySeparatorChar;
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
        const uint ShareAll = 7, OpenExisting = 3, BackupSemantics = 0x02000000; // the last one, so that folders open too
        using SafeFileHandle handle = CreateFileW(path, 0, ShareAll, IntPtr.Zero, OpenExisting, BackupSemantics, IntPtr.Zero);
        if (handle.IsInvalid) return null;
        var buffer = new char[32768];
        uint length = GetFinalPathNameByHandleW(handle, buffer, (uint)buffer.Length, 0);
        if (length == 0 || length >= buffer.Length) return null;
        string real = new(buffer, 0, (int)length);
        const string unc = @"\\?\UNC\", local = @"\\?\";
        return real.StartsWith(unc, StringComparison.Ordinal) ? @"\\" + real.Substring(unc.Length)
            : real.StartsWith(local, StringComparison.Ordinal) ? real.Substring(local.Length)
            : real;
    }

    [DllImport("libc")]
    private static extern byte* realpath(byte* path, byte* resolved);
    [DllImport("libc")]
    private static extern void free(void* memory);
    [DllImport("kernel32", CharSet = CharSet.Unicode, ExactSpelling = true, SetLastError = true)]
    private static extern SafeFileHandle CreateFileW(string path, uint access, uint share, IntPtr security, uint disposition, uint flags, IntPtr template);
    [DllImport("kernel32", CharSet = CharSet.Unicode, ExactSpelling = true, SetLastError = true)]
    private static extern uint GetFinalPathNameByHandleW(SafeFileHandle handle, [Out] char[] buffer, uint length, uint flags);
}
