using System.Runtime.InteropServices;
using System.Text;
#if NET8_0_OR_GREATER
using Microsoft.Win32.SafeHandles;
#endif

namespace Natalia.Backup.Engine.Files;

/// <summary>
/// Opens files for reading on Linux and macOS as no framework does: a pipe is not waited for, and links are not
/// followed where they must not be. Failures are the framework's exceptions, those that have no type of their own with
/// the system's code in HResult.
/// </summary>
internal static unsafe class UnixOpen
{
    private const int EPERM = 1, ENOENT = 2, EACCES = 13, ENOTDIR = 20, EBUSY = 16;
    private static readonly int s_loop = Platform.IsMacOS ? 62 : 40,
        s_wouldBlock = Platform.IsMacOS ? 35 : UnixFile.EAGAIN;

    // Linux numbers two of them by the processor (its asm/fcntl.h); 8 is 64-bit PowerPC, which the older framework has
    // no name for.
    private static readonly bool s_swapped =
        RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 or (Architecture)8;
    private static readonly int s_directory = Platform.IsMacOS ? 0x100000 : s_swapped ? 0x4000 : 0x10000;
    private static readonly int s_noFollow = Platform.IsMacOS ? 0x100 : s_swapped ? 0x8000 : 0x20000;
    private static readonly int s_closeOnExec = Platform.IsMacOS ? 0x1000000 : 0x80000;
    private static readonly int s_nonBlocking = Platform.IsMacOS ? 0x4 : 0x800;
    // O_PATH: no right to list it is needed
    private static readonly int s_folderOnly =
        s_directory | s_noFollow | s_closeOnExec | (Platform.IsMacOS ? 0 : 0x200000);

    /// <summary>Opens a file, links followed. What it is, the caller looks at: it may be a pipe.</summary>
    internal static SafeHandle File(string path)
    {
        int descriptor = OpenAt(CurrentFolder, path, s_closeOnExec | s_nonBlocking, out int error);
        return descriptor >= 0 ? Opened(descriptor, path) : throw Error(path, error);
    }

    /// <summary>Opens a file below a folder, no link followed on the way from there.</summary>
    /// <param name="folder">The folder's real path.</param>
    /// <param name="names">The names of the folders below it and, last, of the file.</param>
    /// <returns>The file; null when one of the names is a link, or a folder that is none any more.</returns>
    internal static SafeHandle? FileBelow(string folder, IReadOnlyList<string> names)
    {
        string path = folder;
        int at = OpenAt(CurrentFolder, folder, s_folderOnly, out int error);
        try
        {
            for (int i = 0; i < names.Count && at >= 0; i++)
            {
                path += "/" + names[i];
                int below = OpenAt(at, names[i],
                    i < names.Count - 1 ? s_folderOnly : s_noFollow | s_closeOnExec | s_nonBlocking, out error);
                UnixDescriptor.Close(at);
                at = below;
            }
            if (at < 0) return error == s_loop || error == ENOTDIR ? null : throw Error(path, error);
            int descriptor = at;
            at = -1;
            return Opened(descriptor, path);
        }
        finally
        {
            if (at >= 0) UnixDescriptor.Close(at);
        }
    }

    /// <summary>
    /// True when a block device is mounted, or another device lies on it. The kernel keeps such devices from being
    /// opened exclusively (open(2)).
    /// </summary>
    internal static bool IsClaimed(SafeHandle device)
    {
        const int O_EXCL = 0x80;
        if (!Platform.IsLinux) return false;
        bool held = false;
        try
        {
            device.DangerousAddRef(ref held);
            int descriptor = OpenAt(CurrentFolder, $"/proc/self/fd/{(int)device.DangerousGetHandle()}",
                O_EXCL | s_closeOnExec | s_nonBlocking, out int error);
            if (descriptor >= 0) UnixDescriptor.Close(descriptor);
            return descriptor < 0 && error == EBUSY;
        }
        finally
        {
            if (held) device.DangerousRelease();
        }
    }

    private static int CurrentFolder => Platform.IsMacOS ? -2 : -100;

    private static int OpenAt(int folder, string path, int flags, out int error)
    {
        const int LeaseTries = 50;
        const int LeaseWait = 100; // milliseconds
        byte[] name = Encoding.UTF8.GetBytes(path + "\0");
        for (int left = LeaseTries; ; left--)
        {
            int descriptor;
            fixed (byte* p = name) descriptor = openat(folder, p, flags);
            error = descriptor >= 0 ? 0 : Marshal.GetLastWin32Error();
            // A file server that holds a lease on the file (an oplock) was told to give it up and does so soon.
            if (error == s_wouldBlock && left > 0) Thread.Sleep(LeaseWait);
            else if (error != UnixFile.EINTR) return descriptor;
        }
    }

    private static SafeHandle Opened(int descriptor, string path)
    {
        const int F_GETFL = 3, F_SETFL = 4, LOCK_SH = 1, LOCK_NB = 4;
#if NET8_0_OR_GREATER
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
#else
        var handle = new UnixDescriptor(descriptor);
#endif
        // Only the opening must not wait.
        if (Platform.IsLinux && fcntl(handle, F_GETFL, 0) is var flags and >= 0)
            _ = fcntl(handle, F_SETFL, flags & ~s_nonBlocking);
        // As the framework does: a program of ours that writes the file holds it alone. Where locks are not to be had,
        // that says nothing.
        if (flock(handle, LOCK_SH | LOCK_NB) != 0 && Marshal.GetLastWin32Error() is var error && error == s_wouldBlock)
        {
            handle.Dispose();
            throw Error(path, error);
        }
        return handle;
    }

    private static Exception Error(string path, int code) => code switch
    {
        ENOENT or ENOTDIR => new FileNotFoundException($"There is no file '{path}'.", path),
        EPERM or EACCES => new UnauthorizedAccessException($"This user may not open '{path}'."),
        _ => new IOException($"'{path}' cannot be opened: error {code} of the operating system.", code),
    };

    [DllImport("libc", SetLastError = true)]
    private static extern int openat(int folder, byte* path, int flags);
    [DllImport("libc", SetLastError = true)]
    private static extern int flock(SafeHandle handle, int operation);
    [DllImport("libc", SetLastError = true)]
    private static extern int fcntl(SafeHandle handle, int command, nint argument);
}
