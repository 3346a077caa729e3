using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Files;

/// <summary>How much room a disk or share has.</summary>
internal static class FreeSpace
{
    /// <summary>How many bytes this user may write where a folder lies; null where the system does not say.</summary>
    /// <param name="folder">The folder, a full path. It must be there.</param>
    /// <exception cref="IOException">It cannot be looked at.</exception>
    internal static long? Find(string folder)
    {
        if (!Platform.IsWindows) return new DriveInfo(folder).AvailableFreeSpace;
        return GetDiskFreeSpaceEx(
            WindowsPath.ForCalls(folder.EndsWith(@"\", StringComparison.Ordinal) ? folder : folder + @"\"),
            out ulong free, out _, out _)
            ? (long)Math.Min(free, long.MaxValue)
            : null;
    }

#pragma warning disable SYSLIB1054 // LibraryImport is not in netstandard2.0.
    [DllImport("kernel32", EntryPoint = "GetDiskFreeSpaceExW", SetLastError = true, CharSet = CharSet.Unicode,
        ExactSpelling = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool GetDiskFreeSpaceEx(string folder, out ulong free, out ulong total, out ulong totalFree);
#pragma warning restore SYSLIB1054
}
