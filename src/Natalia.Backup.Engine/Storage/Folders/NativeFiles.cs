using System.ComponentModel;
using System.Runtime.InteropServices;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>
/// The call that .NET does not offer: rename without overwriting. Failures are IOExceptions with the system's code in
/// HResult, like those of .NET itself.
/// </summary>
internal static class NativeFiles
{
    private const int NoEntry = 2, Exists = 17, CrossDevice = 18, InvalidArgument = 22, NotPermitted = 1,
        NotImplemented = 38, LinuxNotSupported = 95, MacNotSupported = 45, TooManyLinks = 31;
    private const int CurrentDirectory = -100;
    private const uint NoReplace = 1;
    private const uint WriteThrough = 8;
    private const int WindowsFileNotFound = 2, WindowsPathNotFound = 3, WindowsFileExists = 80,
        WindowsAlreadyExists = 183;

    // Cleared by the first answer that the function does not exist (musl, macOS), so that it is asked once only.
    private static volatile bool s_hasRenameAt2 = RuntimeInformation.IsOSPlatform(OSPlatform.Linux);

    internal static bool IsWindows { get; } = RuntimeInformation.IsOSPlatform(OSPlatform.Windows);

    /// <summary>Gives a file its final name. False when the name is taken; the file is untouched then.</summary>
    internal static bool TryPublish(string temporary, string final) =>
        IsWindows ? MoveOnWindows(temporary, final) : MoveOnUnix(temporary, final);

    private static bool MoveOnWindows(string temporary, string final)
    {
        // Without MOVEFILE_REPLACE_EXISTING the call fails when the name is taken; WRITE_THROUGH returns after the
        // rename is on the disk.
        if (MoveFileEx(WindowsPath.ForCalls(temporary), WindowsPath.ForCalls(final), WriteThrough)) return true;
        int code = Marshal.GetLastWin32Error();
        return code is WindowsFileExists or WindowsAlreadyExists ? false : throw Failure(code, final);
    }

    private static bool MoveOnUnix(string temporary, string final)
    {
        if (s_hasRenameAt2)
        {
            try
            {
                if (renameat2(CurrentDirectory, temporary, CurrentDirectory, final, NoReplace) == 0) return true;
                int code = Marshal.GetLastWin32Error();
                if (code == Exists) return false;
                // NFS and some FUSE file systems do not know the flag: they know hard links.
                if (code is not (InvalidArgument or NotImplemented or LinuxNotSupported)) throw Failure(code, final);
            }
            catch (EntryPointNotFoundException)
            {
                s_hasRenameAt2 = false;
            }
        }
        return LinkOnUnix(temporary, final);
    }

    /// <summary>The way for file systems that cannot refuse to replace a file in a rename.</summary>
    internal static bool LinkOnUnix(string temporary, string final)
    {
        if (link(temporary, final) == 0)
        {
            unlink(temporary);
            return true;
        }
        int code = Marshal.GetLastWin32Error();
        if (code == Exists) return false;
        if (code is NotPermitted or NotImplemented or LinuxNotSupported or MacNotSupported or CrossDevice
            or TooManyLinks)
            throw new IOException($"The file system of '{final}' can neither rename a file without replacing another "
                + "one nor make hard links, so two writers could overwrite each other there.",
                Failure(code, final));
        throw Failure(code, final);
    }

    private static IOException Failure(int code, string path)
    {
        string reason = new Win32Exception(code).Message;
        string message = $"{reason}: '{path}'";
        if (IsWindows)
            // A folder that goes while the system moves a file there is the one or the other (Wine says the former).
            return code is WindowsFileNotFound or WindowsPathNotFound
                ? new DirectoryNotFoundException(message)
                : new IOException(message, unchecked((int)0x80070000) | code);
        return code == NoEntry ? new DirectoryNotFoundException(message) : new IOException(message, code);
    }

    // LibraryImport is not in netstandard2.0; the names are libc's; LPStr is UTF-8 there.
#pragma warning disable SYSLIB1054, IDE1006, CA2101
    [DllImport("libc", SetLastError = true)]
    private static extern int renameat2(int oldDirectory, [MarshalAs(UnmanagedType.LPStr)] string oldPath,
        int newDirectory, [MarshalAs(UnmanagedType.LPStr)] string newPath, uint flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int link([MarshalAs(UnmanagedType.LPStr)] string oldPath,
        [MarshalAs(UnmanagedType.LPStr)] string newPath);

    [DllImport("libc", SetLastError = true)]
    private static extern int unlink([MarshalAs(UnmanagedType.LPStr)] string path);

    [DllImport("kernel32", EntryPoint = "MoveFileExW", SetLastError = true, CharSet = CharSet.Unicode,
        ExactSpelling = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool MoveFileEx(string existing, string replacement, uint flags);
#pragma warning restore SYSLIB1054, IDE1006, CA2101
}
