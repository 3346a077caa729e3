namespace Natalia.Backup.Engine.Files;

/// <summary>What a file operation failed for, as far as a user can do something about it.</summary>
public enum FileTrouble
{
    /// <summary>Something else.</summary>
    Other = 0,
    /// <summary>It is not there.</summary>
    NotFound,
    /// <summary>This user may not.</summary>
    AccessDenied,
    /// <summary>Another program has it.</summary>
    InUse,
    /// <summary>The file system has no room.</summary>
    Full,
    /// <summary>This user's share of the file system has no room.</summary>
    Quota,
    /// <summary>The file system takes no file of that size.</summary>
    TooLarge,
}

/// <summary>
/// Reads the cause out of a framework's exception, whose code is an errno on Unix and a Windows error elsewhere.
/// </summary>
public static class FileTroubles
{
    /// <summary>
    /// True for what the framework throws when a file operation fails, as opposed to a defect of ours.
    /// </summary>
    /// <param name="exception">What was thrown.</param>
    public static bool IsFileError(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or System.Security.SecurityException;

    /// <summary>What the operation failed for.</summary>
    /// <param name="exception">What was thrown.</param>
    public static FileTrouble Classify(Exception exception) => exception switch
    {
        FileNotFoundException or DirectoryNotFoundException or DriveNotFoundException => FileTrouble.NotFound,
        UnauthorizedAccessException or System.Security.SecurityException => FileTrouble.AccessDenied,
        _ => (exception.HResult >> 16 & 0x1FFF) == 7
            ? ByWindowsError(exception.HResult & 0xFFFF)
            : ByErrno(exception.HResult),
    };

    private static FileTrouble ByWindowsError(int error) => error switch
    {
        32 or 33 => FileTrouble.InUse,              // sharing violation, lock violation
        39 or 112 => FileTrouble.Full,              // handle disk full, disk full
        1295 or 1816 => FileTrouble.Quota,          // quota exceeded
        223 => FileTrouble.TooLarge,
        5 => FileTrouble.AccessDenied,
        2 or 3 => FileTrouble.NotFound,
        _ => FileTrouble.Other,
    };

    private static FileTrouble ByErrno(int error) => error switch
    {
        28 => FileTrouble.Full,                                             // no space left
        122 when Platform.IsLinux => FileTrouble.Quota,
        69 when Platform.IsMacOS => FileTrouble.Quota,
        27 => FileTrouble.TooLarge,
        16 or 26 => FileTrouble.InUse,                                      // busy, text busy
        11 when Platform.IsLinux => FileTrouble.InUse,                      // held under an advisory lock
        35 when Platform.IsMacOS => FileTrouble.InUse,
        13 or 1 => FileTrouble.AccessDenied,
        _ => FileTrouble.Other,
    };
}
