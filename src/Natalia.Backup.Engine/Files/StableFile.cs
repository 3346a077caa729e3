using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Natalia.Backup.Engine.Files;

/// <summary>
/// Makes bytes and names durable, and tells when they are not: the frameworks' own flush keeps silent on some systems
/// when the kernel says that it failed.
/// </summary>
/// <remarks>
/// A flush that failed must not be repeated. The kernel may have dropped what it could not write and hold the rest for
/// written, so that the second one succeeds although the bytes are nowhere: what was to be flushed is to be written
/// anew. Each call here flushes once.
/// </remarks>
public static class StableFile
{
    private const int NoEntry = 2, Interrupted = 4, AccessDenied = 13, NotADirectory = 20, InvalidArgument = 22,
        NotImplemented = 38, LinuxNotSupported = 95, MacNotSupported = 45, MacNotATerminal = 25;
    private static readonly bool s_isWindows = RuntimeInformation.IsOSPlatform(OSPlatform.Windows);
    private static readonly bool s_isLinux = RuntimeInformation.IsOSPlatform(OSPlatform.Linux);
    private static readonly bool s_isMacOS = RuntimeInformation.IsOSPlatform(OSPlatform.OSX);

    /// <summary>
    /// Returns when everything that was written to a file is on stable storage. To be called once, after the last
    /// write.
    /// </summary>
    /// <param name="file">The file, open for writing.</param>
    /// <exception cref="IOException">It is not; the result code is the system's (an errno, or an HRESULT on Windows).
    /// The file is to be thrown away and written anew.</exception>
    public static void Flush(FileStream file)
    {
        // What the stream itself still holds.
        file.Flush(flushToDisk: false);
        SafeFileHandle handle = file.SafeFileHandle;
        if (s_isWindows)
        {
            if (!FlushFileBuffers(handle)) throw Failure(file.Name, Marshal.GetLastWin32Error());
            return;
        }
        if (Sync(handle) is int code) throw Failure(file.Name, code);
        CheckClose(handle, file.Name);
    }

    /// <summary>
    /// Returns when the names in a folder are on stable storage. Windows has no such call: there the rename itself is
    /// written through.
    /// </summary>
    /// <remarks>
    /// A folder that this user may write but not read cannot be flushed by anybody but the system, which does so in its
    /// own time.
    /// </remarks>
    /// <param name="folder">The folder.</param>
    /// <exception cref="DirectoryNotFoundException">It is gone.</exception>
    /// <exception cref="FolderNotFlushedException">They are not; the result code is the system's.</exception>
    /// <exception cref="IOException">It cannot be opened; nothing was flushed.</exception>
    public static void FlushFolder(string folder)
    {
        if (s_isWindows) return;
        int descriptor = Open(folder);
        if (descriptor < 0)
        {
            int code = Marshal.GetLastWin32Error();
            if (code == AccessDenied) return;
            string reason = $"{new Win32Exception(code).Message}: '{folder}'";
            throw code is NoEntry or NotADirectory
                ? new DirectoryNotFoundException(reason)
                : new IOException(reason, code);
        }
        using var handle = new UnixDescriptor(descriptor);
        if (Sync(handle) is int error)
            throw new FolderNotFlushedException($"The names in the folder '{folder}' could not be brought to stable "
                + $"storage: {new Win32Exception(error).Message}.",
                error);
    }

    /// <returns>The system's error; null when all is durable.</returns>
    private static int? Sync(SafeHandle handle)
    {
        // On macOS fsync alone leaves the bytes in the disk's own cache (fcntl(2)); not every file system has the
        // stronger call.
        const int F_FULLFSYNC = 51;
        if (s_isMacOS)
        {
            int full = Repeat(handle, static h => fcntl(h, F_FULLFSYNC));
            if (full is not (InvalidArgument or MacNotSupported or MacNotATerminal)) return full == 0 ? null : full;
        }
        int code = Repeat(handle, fsync);
        // Some network and FUSE file systems know no flush: they have nothing to be flushed, or no way to say so.
        return code == 0 || code is InvalidArgument or NotImplemented
            || code == (s_isMacOS ? MacNotSupported : LinuxNotSupported)
            ? null
            : code;
    }

    /// <summary>An interrupted call has flushed nothing and forgotten nothing; every other failure is final.</summary>
    private static int Repeat(SafeHandle handle, Func<SafeHandle, int> call)
    {
        while (true)
        {
            if (call(handle) == 0) return 0;
            int code = Marshal.GetLastWin32Error();
            if (code != Interrupted) return code;
        }
    }

    /// <summary>
    /// Some file systems say only when a file is closed that it did not get through (FUSE, which uploads then; NFS, for
    /// what a flush has not reported). Linux asks them at each close of a descriptor, so a second one is closed while
    /// the first is still held.
    /// </summary>
    private static void CheckClose(SafeFileHandle handle, string path)
    {
        const int F_DUPFD_CLOEXEC = 1030;
        if (!s_isLinux) return;
        int second = fcntl(handle, F_DUPFD_CLOEXEC, 0);
        if (second < 0 || close(second) != 0) throw Failure(path, Marshal.GetLastWin32Error());
    }

    private static IOException Failure(string path, int code) =>
        new($"'{path}' could not be brought to stable storage: {new Win32Exception(code).Message}.",
            s_isWindows ? unchecked((int)0x80070000) | code : code);

    private static int Open(string folder)
    {
        const int LinuxCloseOnExec = 0x80000, MacCloseOnExec = 0x1000000;
        while (true)
        {
            int descriptor = open(folder, s_isMacOS ? MacCloseOnExec : LinuxCloseOnExec);
            if (descriptor >= 0 || Marshal.GetLastWin32Error() != Interrupted) return descriptor;
        }
    }

    // LibraryImport is not in netstandard2.0; the names are libc's; LPStr is UTF-8 there.
#pragma warning disable SYSLIB1054, IDE1006, CA2101
    [DllImport("libc", SetLastError = true)]
    private static extern int open([MarshalAs(UnmanagedType.LPStr)] string path, int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int fsync(SafeHandle handle);

    [DllImport("libc", SetLastError = true)]
    private static extern int fcntl(SafeHandle handle, int command);

    [DllImport("libc", SetLastError = true)]
    private static extern int fcntl(SafeHandle handle, int command, nint argument);

    [DllImport("libc", SetLastError = true)]
    private static extern int close(int descriptor);

    [DllImport("kernel32", SetLastError = true, ExactSpelling = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool FlushFileBuffers(SafeFileHandle handle);
#pragma warning restore SYSLIB1054, IDE1006, CA2101
}

/// <summary>
/// The system said of a folder that its names did not reach stable storage. Flushing it once more would prove nothing.
/// </summary>
/// <param name="message">What happened.</param>
/// <param name="code">The system's error.</param>
public sealed class FolderNotFlushedException(string message, int code) : IOException(message, code);
