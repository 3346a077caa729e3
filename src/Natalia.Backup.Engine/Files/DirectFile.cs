using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Natalia.Backup.Engine.Files;

/// <summary>
/// A second way to write an open file on Linux: past the page cache (O_DIRECT, open(2)). A disk image is larger than
/// what anybody reads again soon; written through the cache it costs a copy, pushes out what other programs need, and
/// reaches the disk late, so that the flush waits for it. Thread-safe.
/// </summary>
internal sealed unsafe class DirectFile : IDisposable
{
    /// <summary>
    /// Offset, length and memory are multiples of this. Some disks would do with 512; 4,096 is right for all, and is a
    /// page, so that no page is written both ways.
    /// </summary>
    internal const int Alignment = 4096;

    private const int EINVAL = 22;
    private readonly SafeFileHandle _handle;
    private volatile bool _refused;

    private DirectFile(SafeFileHandle handle) => _handle = handle;

    /// <summary>
    /// Opens a file that is open already a second time; null where the system, the processor or the file system cannot
    /// do that.
    /// </summary>
    internal static DirectFile? TryOpen(SafeHandle file)
    {
        const int O_WRONLY = 1, O_CLOEXEC = 0x80000;
        int direct = 0;
#if NET8_0_OR_GREATER
        // Linux numbers it by the processor (its asm/fcntl.h). In the other build memory has no fixed place, so nothing
        // could be written this way.
        direct = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => 0x4000,
            Architecture.Arm64 => 0x10000,
            _ => 0,
        };
#endif
        if (!Platform.IsLinux || direct == 0) return null;
        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            // By its descriptor: whatever stands under its name by now, this is the same file.
            byte[] name = Encoding.ASCII.GetBytes($"/proc/self/fd/{(int)file.DangerousGetHandle()}\0");
            fixed (byte* p = name)
            {
                int descriptor = UnixFile.Open(p, O_WRONLY | O_CLOEXEC | direct);
                return descriptor < 0 ? null : new DirectFile(new SafeFileHandle((IntPtr)descriptor, ownsHandle: true));
            }
        }
        finally
        {
            if (held) file.DangerousRelease();
        }
    }

    /// <summary>Writes as much of the beginning as can be written this way.</summary>
    /// <param name="offset">Where to.</param>
    /// <param name="bytes">The bytes.</param>
    /// <returns>How many were written; the rest, perhaps everything, is to be written in the other way.</returns>
    /// <exception cref="IOException">The write failed; the result code is the system's.</exception>
    internal int Write(long offset, ReadOnlySpan<byte> bytes)
    {
        if (_refused || offset % Alignment != 0) return 0;
        fixed (byte* p = bytes)
        {
            if ((nuint)p % Alignment != 0) return 0;
            int wanted = bytes.Length & -Alignment, done = 0;
            // A write that stopped at an odd place, as before an error, goes on in the other way, which tells the
            // error.
            while (done < wanted && done % Alignment == 0)
            {
                int now = UnixFile.TryWrite(_handle, p + done, wanted - done, offset + done, out int error);
                if (now < 0)
                {
                    if (error != EINVAL)
                        throw new IOException($"The file cannot be written: error {error} of the operating system.",
                            error);
                    // The file system opens files so and then does not write them, or wants larger multiples.
                    _refused = true;
                    break;
                }
                if (now == 0) break;
                done += now;
            }
            return done;
        }
    }

    public void Dispose() => _handle.Dispose();
}
