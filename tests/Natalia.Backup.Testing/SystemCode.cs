using System.Runtime.InteropServices;

namespace Natalia.Backup.Testing;

/// <summary>What a failed call of the system leaves in an exception, by what it means.</summary>
public static class SystemCode
{
    /// <param name="errno">Linux's number of EIO, ENOSPC or EDQUOT.</param>
    /// <returns>The result code with which this system says the same.</returns>
    public static int Of(int errno) => !RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? errno
        : unchecked((int)0x80070000) | errno switch
        {
            5 => 1117,   // ERROR_IO_DEVICE
            28 => 112,   // ERROR_DISK_FULL
            122 => 1295, // ERROR_DISK_QUOTA_EXCEEDED
            _ => throw new ArgumentOutOfRangeException(nameof(errno)),
        };
}
