using System.ComponentModel;
using System.Runtime.InteropServices;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>
/// The file of one object, open for reading. Whoever can write into the folder can put a pipe, a socket or a device
/// under an object's name; opening one of those could wait for ever, and reading one never end. So nothing is waited
/// for, no link is followed, and what was opened is looked at before it is read. Positional and thread-safe.
/// </summary>
internal sealed unsafe class ObjectFile : IDisposable
{
    private const int EPERM = 1, ENOENT = 2, EINTR = 4, ENXIO = 6, EACCES = 13, ENODEV = 19, ENOTDIR = 20;
    private static readonly int s_loop = Platform.IsMacOS ? 62 : 40, s_notSupported = Platform.IsMacOS ? 102 : 95;
    private static readonly int s_flags = OpenFlags();

    private readonly FileStream? _stream;
    private readonly UnixDescriptor? _descriptor;

    private ObjectFile(FileStream stream)
    {
        _stream = stream;
        Length = stream.Length;
    }

    private ObjectFile(UnixDescriptor? descriptor)
    {
        _descriptor = descriptor;
        Length = descriptor is null ? 0 : UnixFile.GetLength(descriptor);
    }

    /// <summary>How many bytes it had when it was opened.</summary>
    internal long Length { get; }

    /// <summary>
    /// Opens it. What is there but is no file counts as one without bytes: a damaged object, which can be told of and
    /// deleted as any other.
    /// </summary>
    /// <exception cref="NataliaException"><c>PathNotContained</c> for a link.</exception>
    /// <exception cref="FileNotFoundException">There is nothing, or a folder.</exception>
    internal static ObjectFile Open(string path)
    {
        if (!Platform.IsWindows) return new ObjectFile(OpenOnUnix(path));
        try
        {
            return new ObjectFile(new FileStream(path, FileMode.Open, FileAccess.Read,
                FileShare.ReadWrite | FileShare.Delete, 1));
        }
        catch (UnauthorizedAccessException) when (Directory.Exists(path))
        {
            throw Absent(path);
        }
    }

    /// <summary>Reads at an offset; 0 at the end. May read less than asked for.</summary>
    internal int Read(long offset, Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        if (_stream is not null) return ReadOnWindows(_stream, offset, buffer);
        if (_descriptor is null) return 0;
        fixed (byte* p = buffer) return UnixFile.Read(_descriptor, p, buffer.Length, offset);
    }

    public void Dispose()
    {
        _stream?.Dispose();
        _descriptor?.Dispose();
    }

    private static int ReadOnWindows(FileStream stream, long offset, Span<byte> buffer)
    {
#if NET8_0_OR_GREATER
        return RandomAccess.Read(stream.SafeFileHandle, buffer, offset);
#else
        fixed (byte* p = buffer) return WindowsFile.Read(stream.SafeFileHandle, p, buffer.Length, offset);
#endif
    }

    /// <returns>Null when it is neither a file nor a folder.</returns>
    private static UnixDescriptor? OpenOnUnix(string path)
    {
        int number;
        while ((number = open(path, s_flags)) < 0)
        {
            int code = Marshal.GetLastWin32Error();
            if (code == EINTR) continue;
            // So a socket, and a device that nobody drives, refuse to be opened.
            if (code is ENXIO or ENODEV || code == s_notSupported)
                return UnixFile.GetStatus(path) is { IsRegular: true } ? throw Failure(path, code) : null;
            if (code == s_loop) throw FolderLayout.LinkRefused(path);
            throw code switch
            {
                ENOENT or ENOTDIR => Absent(path),
                EPERM or EACCES => new UnauthorizedAccessException($"This user may not open '{path}'."),
                _ => Failure(path, code),
            };
        }
        var descriptor = new UnixDescriptor(number);
        if (KindOf(descriptor) is Kind.File) return descriptor;
        bool isFolder = KindOf(descriptor) is Kind.Folder;
        descriptor.Dispose();
        return isFolder ? throw Absent(path) : null;
    }

    private enum Kind
    {
        File,
        Folder,
        Other,
    }

    private static Kind KindOf(UnixDescriptor descriptor)
    {
        if (UnixFile.GetStatus(descriptor) is UnixFileStatus status)
            return status.IsRegular ? Kind.File : status.IsFolder ? Kind.Folder : Kind.Other;
        // Elsewhere than on Linux: what has no end is a pipe or the like; a folder cannot be read.
        byte nothing;
        if (lseek(descriptor, 0, 2) < 0) return Kind.Other;
        return pread(descriptor, &nothing, 1, 0) < 0 && Marshal.GetLastWin32Error() == 21 ? Kind.Folder : Kind.File;
    }

    private static FileNotFoundException Absent(string path) => new($"There is no file '{path}'.", path);

    private static IOException Failure(string path, int code) =>
        new($"{new Win32Exception(code).Message}: '{path}'", code);

    // O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY. Linux numbers the second of them by the processor (its
    // asm/fcntl.h); 8 is 64-bit PowerPC, which the older framework has no name for.
    private static int OpenFlags() => Platform.IsMacOS
        ? 0x4 | 0x100 | 0x1000000 | 0x20000
        : 0x800 | (RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 or (Architecture)8
            ? 0x8000
            : 0x20000) | 0x80000 | 0x100;

    // LibraryImport is not in netstandard2.0; the names are libc's; LPStr is UTF-8 there.
#pragma warning disable SYSLIB1054, IDE1006, CA2101
    [DllImport("libc", SetLastError = true)]
    private static extern int open([MarshalAs(UnmanagedType.LPStr)] string path, int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern long lseek(SafeHandle handle, long offset, int whence);

    [DllImport("libc", SetLastError = true)]
    private static extern nint pread(SafeHandle handle, byte* buffer, nuint count, long offset);
#pragma warning restore SYSLIB1054, IDE1006, CA2101
}
