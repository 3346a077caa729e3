using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Natalia.Backup.Engine.Disks.Native;

/// <summary>
/// The file calls of Linux and macOS that no framework offers. Offsets are 64 bits wide, as <c>off_t</c> is in every 64-bit process.
/// </summary>
internal static unsafe class UnixFile
{
    internal const int EAGAIN = 11, ENXIO = 6, EINTR = 4;

    private const int SeekEnd = 2;
    // The two systems number these the other way round.
    private static readonly int s_seekData = Platform.IsMacOS ? 4 : 3;
    private static readonly int s_seekHole = Platform.IsMacOS ? 3 : 4;

    /// <summary>The length of a file or of a block device, whose metadata says 0.</summary>
    internal static long GetLength(SafeHandle handle)
    {
        long end = lseek(handle, 0, SeekEnd);
        return end >= 0 ? end : throw Error("measured");
    }

    /// <summary>The next byte at or behind <paramref name="from"/> that is data; -1 when there is none; null when the file system cannot say.</summary>
    internal static long? FindData(SafeFileHandle handle, long from) => Find(handle, from, s_seekData);

    /// <summary>The next byte at or behind <paramref name="from"/> that is a hole; the end of the file counts as one.</summary>
    internal static long? FindHole(SafeFileHandle handle, long from) => Find(handle, from, s_seekHole);

    private static long? Find(SafeFileHandle handle, long from, int what)
    {
        long at = lseek(handle, from, what);
        if (at >= 0) return at;
        return Marshal.GetLastWin32Error() == ENXIO ? -1 : null;
    }

    /// <summary>Reads at an offset; 0 at the end of the file.</summary>
    internal static int Read(SafeHandle handle, byte* buffer, int count, long offset)
    {
        while (true)
        {
            nint done = pread(handle, buffer, (nuint)count, offset);
            if (done >= 0) return (int)done;
            if (Marshal.GetLastWin32Error() != EINTR) throw Error("read");
        }
    }

    /// <summary>Writes at an offset; may write less than asked for.</summary>
    internal static int Write(SafeFileHandle handle, byte* buffer, int count, long offset)
    {
        int done = TryWrite(handle, buffer, count, offset, out int error);
        return done >= 0 ? done : throw Error("written", error);
    }

    /// <summary>Writes at an offset; may write less than asked for. Negative when that failed, with the system's error.</summary>
    internal static int TryWrite(SafeFileHandle handle, byte* buffer, int count, long offset, out int error)
    {
        while (true)
        {
            nint done = pwrite(handle, buffer, (nuint)count, offset);
            error = done >= 0 ? 0 : Marshal.GetLastWin32Error();
            if (error != EINTR) return (int)done;
        }
    }

    /// <summary>Opens a path that ends with a zero byte; negative when that failed.</summary>
    internal static int Open(byte* path, int flags) => open(path, flags);

    /// <summary>
    /// True when some process has the file open for writing: Linux grants a read lease only when nobody has. False as well where leases are not to be had
    /// (network file systems, files of another user), so a false is no proof.
    /// </summary>
    internal static bool IsOpenForWriting(SafeFileHandle handle)
    {
        const int F_SETSIG = 10, F_SETLEASE = 1024, F_RDLCK = 0, F_UNLCK = 2, SIGURG = 23;
        if (!Platform.IsLinux) return false;
        // The signal of a broken lease ends a process by default; this one is ignored by default. The lease is given back at once.
        if (fcntl(handle, F_SETSIG, SIGURG) != 0) return false;
        if (fcntl(handle, F_SETLEASE, F_RDLCK) == 0)
        {
            _ = fcntl(handle, F_SETLEASE, F_UNLCK);
            return false;
        }
        return Marshal.GetLastWin32Error() == EAGAIN;
    }

    /// <summary>Asks the kernel to start writing what is dirty, and does not wait for it. A hint: a failure means nothing.</summary>
    internal static void StartWriteback(SafeFileHandle handle)
    {
        const uint SYNC_FILE_RANGE_WRITE = 2;
        if (Platform.IsLinux) _ = sync_file_range(handle, 0, 0, SYNC_FILE_RANGE_WRITE);
    }

    /// <summary>What Linux knows of a file, following links; null when it is not there, or the system is another one.</summary>
    internal static UnixFileStatus? GetStatus(string path)
    {
        const int AT_FDCWD = -100;
        if (!Platform.IsLinux) return null;
        byte[] name = Encoding.UTF8.GetBytes(path + "\0");
        fixed (byte* p = name) return GetStatus(AT_FDCWD, p, 0);
    }

    /// <summary>What Linux knows of an open file; null when the system is another one.</summary>
    internal static UnixFileStatus? GetStatus(SafeHandle handle)
    {
        const int AT_EMPTY_PATH = 0x1000;
        if (!Platform.IsLinux) return null;
        byte nothing = 0;
        bool held = false;
        try
        {
            handle.DangerousAddRef(ref held);
            return GetStatus((int)handle.DangerousGetHandle(), &nothing, AT_EMPTY_PATH);
        }
        finally
        {
            if (held) handle.DangerousRelease();
        }
    }

    private static UnixFileStatus? GetStatus(int folder, byte* path, int flags)
    {
        const uint STATX_BASIC_STATS = 0x7ff;
        // statx and not stat: its structure is the same on every processor.
        byte* s = stackalloc byte[256];
        try
        {
            if (statx(folder, path, flags, STATX_BASIC_STATS, s) != 0) return null;
        }
        catch (EntryPointNotFoundException)
        {
            return null; // A C library older than 2018: callers know less, and cope.
        }
        return new UnixFileStatus(
            Kind: *(ushort*)(s + 28) & 0xF000,
            Device: (ulong)*(uint*)(s + 136) << 32 | *(uint*)(s + 140),
            Inode: *(ulong*)(s + 32),
            Length: *(long*)(s + 40),
            Changed: Nanoseconds(s + 96),
            Modified: Nanoseconds(s + 112));

        static long Nanoseconds(byte* time) => unchecked(*(long*)time * 1_000_000_000 + *(uint*)(time + 8));
    }

    private static IOException Error(string done) => Error(done, Marshal.GetLastWin32Error());

    private static IOException Error(string done, int code) => new($"The file cannot be {done}: error {code} of the operating system.", code);

    [DllImport("libc", SetLastError = true)]
    private static extern long lseek(SafeHandle handle, long offset, int whence);
    [DllImport("libc", SetLastError = true)]
    private static extern nint pread(SafeHandle handle, byte* buffer, nuint count, long offset);
    [DllImport("libc", SetLastError = true)]
    private static extern nint pwrite(SafeFileHandle handle, byte* buffer, nuint count, long offset);
    [DllImport("libc", SetLastError = true)]
    private static extern int fcntl(SafeFileHandle handle, int command, nint argument);
    [DllImport("libc", SetLastError = true)]
    private static extern int sync_file_range(SafeFileHandle handle, long offset, long count, uint flags);
    [DllImport("libc", SetLastError = true)]
    private static extern int statx(int folder, byte* path, int flags, uint mask, byte* status);
    [DllImport("libc", SetLastError = true)]
    private static extern int open(byte* path, int flags);
}
