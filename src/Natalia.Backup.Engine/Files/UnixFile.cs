using System.Runtime.InteropServices;
using System.Text;

namespace Natalia.Backup.Engine.Files;

/// <summary>
/// The file calls of Linux and macOS that no framework offers. Offsets are 64 bits wide, as <c>off_t</c> is in every
/// 64-bit process.
/// </summary>
internal static unsafe class UnixFile
{
    internal const int EAGAIN = 11, ENXIO = 6, EINTR = 4;

    private const int StatusBytes = 256;
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

    /// <summary>
    /// The next byte at or behind <paramref name="from"/> that is data; -1 when there is none; null when the file
    /// system cannot say.
    /// </summary>
    internal static long? FindData(SafeHandle handle, long from) => Find(handle, from, s_seekData);

    /// <summary>
    /// The next byte at or behind <paramref name="from"/> that is a hole; the end of the file counts as one.
    /// </summary>
    internal static long? FindHole(SafeHandle handle, long from) => Find(handle, from, s_seekHole);

    private static long? Find(SafeHandle handle, long from, int what)
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
    internal static int Write(SafeHandle handle, byte* buffer, int count, long offset)
    {
        int done = TryWrite(handle, buffer, count, offset, out int error);
        return done >= 0 ? done : throw Error("written", error);
    }

    /// <summary>
    /// Writes at an offset; may write less than asked for. Negative when that failed, with the system's error.
    /// </summary>
    internal static int TryWrite(SafeHandle handle, byte* buffer, int count, long offset, out int error)
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
    /// True when some process has the file open for writing: Linux grants a read lease only when nobody has. False as
    /// well where leases are not to be had (network file systems, files of another user), so a false is no proof. A
    /// true takes a second: a program that is being started has every file of the one that starts it open, until it
    /// runs itself, and so for a moment those that were written and closed meanwhile.
    /// </summary>
    internal static bool IsOpenForWriting(SafeHandle handle)
    {
        for (int milliseconds = 1; HasWriter(handle); milliseconds *= 2)
        {
            if (milliseconds > 512) return true;
            Thread.Sleep(milliseconds);
        }
        return false;
    }

    private static bool HasWriter(SafeHandle handle)
    {
        const int F_SETSIG = 10, F_SETLEASE = 1024, F_RDLCK = 0, F_UNLCK = 2, SIGURG = 23;
        if (!Platform.IsLinux) return false;
        // The signal of a broken lease ends a process by default; this one is ignored by default. The lease is given
        // back at once.
        if (fcntl(handle, F_SETSIG, SIGURG) != 0) return false;
        if (fcntl(handle, F_SETLEASE, F_RDLCK) == 0)
        {
            _ = fcntl(handle, F_SETLEASE, F_UNLCK);
            return false;
        }
        return Marshal.GetLastWin32Error() == EAGAIN;
    }

    /// <summary>
    /// Asks the kernel to start writing what is dirty, and does not wait for it. A hint: a failure means nothing.
    /// </summary>
    internal static void StartWriteback(SafeHandle handle)
    {
        const uint SYNC_FILE_RANGE_WRITE = 2;
        if (Platform.IsLinux) _ = sync_file_range(handle, 0, 0, SYNC_FILE_RANGE_WRITE);
    }

    /// <summary>
    /// What Linux knows of a file, following links; null when it is not there, or the system is another one.
    /// </summary>
    internal static UnixFileStatus? GetStatus(string path)
    {
        const int AT_FDCWD = -100;
        byte[] name = Encoding.UTF8.GetBytes(path + "\0");
        byte* s = stackalloc byte[StatusBytes];
        fixed (byte* p = name) return TryGetStatus(AT_FDCWD, p, 0, s) ? Status(s) : null;
    }

    /// <summary>What Linux knows of an open file; null when the system is another one.</summary>
    internal static UnixFileStatus? GetStatus(SafeHandle handle)
    {
        byte* s = stackalloc byte[StatusBytes];
        return TryGetStatus(handle, s) ? Status(s) : null;
    }

    /// <summary>
    /// How many bytes of its file system a file takes, what it writes later not counted; null where that cannot be
    /// learned.
    /// </summary>
    internal static long? GetAllocatedBytes(SafeHandle handle)
    {
        const int StatUnit = 512; // whatever the file system's own unit is
        byte* s = stackalloc byte[StatusBytes];
        return TryGetStatus(handle, s) ? *(long*)(s + 48) * StatUnit : null;
    }

    private static bool TryGetStatus(SafeHandle handle, byte* s)
    {
        const int AT_EMPTY_PATH = 0x1000;
        byte nothing = 0;
        bool held = false;
        try
        {
            handle.DangerousAddRef(ref held);
            return TryGetStatus((int)handle.DangerousGetHandle(), &nothing, AT_EMPTY_PATH, s);
        }
        finally
        {
            if (held) handle.DangerousRelease();
        }
    }

    private static bool TryGetStatus(int folder, byte* path, int flags, byte* s)
    {
        const uint STATX_BASIC_STATS = 0x7ff;
        if (!Platform.IsLinux) return false;
        try
        {
            // statx and not stat: its structure is the same on every processor.
            return statx(folder, path, flags, STATX_BASIC_STATS, s) == 0;
        }
        catch (EntryPointNotFoundException)
        {
            return false; // A C library older than 2018: callers know less, and cope.
        }
    }

    private static UnixFileStatus Status(byte* s)
    {
        return new UnixFileStatus(
            Kind: *(ushort*)(s + 28) & 0xF000,
            NodeDevice: (ulong)*(uint*)(s + 128) << 32 | *(uint*)(s + 132),
            Device: (ulong)*(uint*)(s + 136) << 32 | *(uint*)(s + 140),
            Inode: *(ulong*)(s + 32),
            Length: *(long*)(s + 40),
            Changed: Nanoseconds(s + 96),
            Modified: Nanoseconds(s + 112));

        static long Nanoseconds(byte* time) => unchecked(*(long*)time * 1_000_000_000 + *(uint*)(time + 8));
    }

    /// <summary>
    /// Returns when what was written to a file or device, by whomever, is on stable storage; false when that failed.
    /// </summary>
    internal static bool TryFlush(SafeHandle handle)
    {
        while (fsync(handle) != 0)
        {
            if (Marshal.GetLastWin32Error() != EINTR) return false;
        }
        return true;
    }

    /// <summary>Tells the kernel that a file will be read from its beginning to its end. A hint.</summary>
    internal static void WillReadAll(SafeHandle handle) => Advise(handle, 2);

    /// <summary>
    /// Lets the kernel forget what it holds of a file and what is on stable storage, so that it is read from there
    /// again.
    /// </summary>
    internal static void ForgetCached(SafeHandle handle) => Advise(handle, 4);

    private static void Advise(SafeHandle handle, int advice)
    {
        if (Platform.IsLinux) _ = posix_fadvise(handle, 0, 0, advice);
    }

    private static IOException Error(string done) => Error(done, Marshal.GetLastWin32Error());

    private static IOException Error(string done, int code) =>
        new($"The file cannot be {done}: error {code} of the operating system.", code);

    [DllImport("libc", SetLastError = true)]
    private static extern long lseek(SafeHandle handle, long offset, int whence);
    [DllImport("libc", SetLastError = true)]
    private static extern nint pread(SafeHandle handle, byte* buffer, nuint count, long offset);
    [DllImport("libc", SetLastError = true)]
    private static extern nint pwrite(SafeHandle handle, byte* buffer, nuint count, long offset);
    [DllImport("libc", SetLastError = true)]
    private static extern int fcntl(SafeHandle handle, int command, nint argument);
    [DllImport("libc", SetLastError = true)]
    private static extern int sync_file_range(SafeHandle handle, long offset, long count, uint flags);
    [DllImport("libc", SetLastError = true)]
    private static extern int statx(int folder, byte* path, int flags, uint mask, byte* status);
    [DllImport("libc", SetLastError = true)]
    private static extern int open(byte* path, int flags);
    [DllImport("libc", SetLastError = true)]
    private static extern int fsync(SafeHandle handle);
    [DllImport("libc")]
    private static extern int posix_fadvise(SafeHandle handle, long offset, long length, int advice);
}
