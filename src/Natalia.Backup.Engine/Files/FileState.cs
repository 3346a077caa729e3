namespace Natalia.Backup.Engine.Files;

/// <summary>What tells an unwritten file from a written one.</summary>
/// <param name="Length">Its length in bytes.</param>
/// <param name="ModifiedUtc">When its bytes changed last.</param>
/// <param name="Status">All that Linux knows; null elsewhere.</param>
/// <param name="Writes">What was written to a block device; null for a file, and where it is not counted.</param>
internal readonly record struct FileState(long Length, DateTime ModifiedUtc, UnixFileStatus? Status,
    BlockDeviceWrites? Writes = null)
{
    /// <summary>How coarse a file system's clock may be: two writes within it can bear the same time.</summary>
    private static readonly TimeSpan s_clockTick = TimeSpan.FromMilliseconds(20);

    private static readonly DateTime s_unixEpoch = new(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>Reads the state of an open file.</summary>
    internal static FileState Of(string path, PositionalFile file)
    {
        UnixFileStatus? status = UnixFile.GetStatus(file.Handle);
        DateTime modified = status is UnixFileStatus s ? Time(s.Modified) : File.GetLastWriteTimeUtc(path);
        return new FileState(file.GetLength(), modified, status,
            status is { IsBlockDevice: true } device ? BlockDevice.GetWrites(device.NodeDevice) : null);
    }

    /// <summary>A time of Linux, cut to 100 nanoseconds.</summary>
    internal static DateTime Time(long nanoseconds) => s_unixEpoch.AddTicks(nanoseconds / 100);

    /// <summary>
    /// The state of a file that is about to be read. A file that was written this very moment could be written once
    /// more without its time moving on; so its clock is given time for a tick first.
    /// </summary>
    internal static FileState Settled(string path, PositionalFile file)
    {
        DateTime written = File.GetLastWriteTimeUtc(path);
        TimeSpan age = DateTime.UtcNow - written;
        if (age >= TimeSpan.Zero && age < s_clockTick) Thread.Sleep(s_clockTick);
        return Of(path, file);
    }
}
