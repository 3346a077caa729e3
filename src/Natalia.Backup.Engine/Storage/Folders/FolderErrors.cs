using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>Turns what the file system says into the store's error ids.</summary>
internal static class FolderErrors
{
    /// <summary>Whether an exception comes from the file system, and so is to be translated.</summary>
    internal static bool IsFileSystem(Exception error) =>
        error is IOException or UnauthorizedAccessException or System.Security.SecurityException;

    /// <param name="error">What the file system says.</param>
    /// <param name="path">What is read or written.</param>
    /// <param name="writing">True where it is written.</param>
    /// <param name="root">The repository's folder, which is what a person knows of a disk that is full; null names
    /// <paramref name="path"/>.</param>
    /// <param name="length">How many bytes were to be written; null where that is not known.</param>
    internal static NataliaException Translate(Exception error, string path, bool writing, string? root = null,
        long? length = null)
    {
        (int errno, int win32) = Codes(error);
        string reason = error.Message;
        if (IsQuota(errno, win32))
            return new(ErrorIds.StoreFull, NataliaErrorKind.ResourceUnavailable,
                $"The quota is used up where '{root ?? path}' is written.", path,
                "Raise the quota of the account that runs the backup, or remove restore points that are no longer "
                + "needed. What was stored before is unharmed.",
                error);
        if (IsFull(errno, win32))
            return new(ErrorIds.StoreFull, NataliaErrorKind.ResourceUnavailable,
                $"There is no room left on the disk or share of '{root ?? path}'{Room(root, length)}.", path,
                "Free space there, or remove restore points that are no longer needed. What was stored before is "
                + "unharmed.",
                error);
        if (error is UnauthorizedAccessException or System.Security.SecurityException || errno is 1 or 13 or 30
            || win32 is 5 or 19)
            return new(ErrorIds.StoreAccessDenied, NataliaErrorKind.PermissionDenied,
                $"Access to '{path}' is denied: {reason}", path,
                writing ? "Give the account that runs the backup the right to create, rename and delete files there, "
                    + "and check that the place is not read-only." : "Give the account the right to read there.",
                error);
        if (IsExhausted(errno, win32))
            return new(ErrorIds.SystemLimitReached, NataliaErrorKind.ResourceUnavailable,
                $"This machine gives the process no more open files or memory, so that '{path}' could not be "
                + $"{(writing ? "written" : "read")}: {reason}",
                path,
                "Raise the limit (on Linux 'ulimit -n' tells how many files a process may have open; 1,024 are "
                + "plenty), or run fewer things at once. Nothing is wrong with the repository.",
                error);
        if (IsGone(errno, win32)) return Unavailable(path, error);
        if (IsInUse(errno, win32))
            return new(ErrorIds.StoreFileInUse, NataliaErrorKind.ResourceBusy,
                $"Another program has '{path}' open for itself: {reason}", path,
                "Keep virus scanners, search indexers, synchronizers and other backup programs out of the "
                + "repository's folder, then run the operation again.",
                error);
        if (error is FolderNotFlushedException)
            return new(ErrorIds.StoreWriteFailed, NataliaErrorKind.WriteFailed, reason, path,
                "Check the disk or share that holds the repository. What this session wrote last may be lost, so "
                + "nothing more is taken for stored in it: connect again, then run the operation again.",
                error);
        return writing
            ? new(ErrorIds.StoreWriteFailed, NataliaErrorKind.WriteFailed, $"Writing '{path}' failed: {reason}", path,
                "Check the disk or share that holds the repository, then run the operation again.", error)
            : new(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed, $"Reading '{path}' failed: {reason}", path,
                "Check the disk or share that holds the repository, then run the operation again.", error);
    }

    private static string Room(string? root, long? length)
    {
        if (root is null || length is not long bytes) return "";
        try
        {
            return FreeSpace.Find(root) is long free
                ? $": {ByteSize.Format(bytes)} were to be written next, and {ByteSize.Format(free)} are free"
                : "";
        }
        catch (Exception error) when (IsFileSystem(error) || error is ArgumentException)
        {
            // That it is full is what there is to tell.
            return "";
        }
    }

    internal static NataliaException Unavailable(string path, Exception? error = null) =>
        new(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection,
            $"The repository folder is not available any more at "
            + $"'{path}'{(error is null ? "." : ": " + error.Message)}",
            path,
            "Check that the disk is attached and the share is mounted, then run the operation again. Nothing was made "
            + "in its place.",
            error);

    internal static NataliaException NotFound(string name, string location, Exception? error = null) =>
        new(ErrorIds.ObjectNotFound, NataliaErrorKind.NotFound, $"There is no object '{name}' in '{location}'.", name,
            innerException: error);

    internal static NataliaException Exists(string name, string location) =>
        new(ErrorIds.ObjectExists, NataliaErrorKind.AlreadyExists,
            $"An object '{name}' exists already in '{location}'.", name);

    internal static NataliaException FolderInPlace(string path) =>
        new(ErrorIds.StoreWriteFailed, NataliaErrorKind.WriteFailed,
            $"'{path}' is a folder, where an object is to be written.", path,
            "Find out who made it, and move it out of the repository.");

    // EDQUOT is 122 on Linux and 69 on macOS. Windows: disk quota exceeded, quota exceeded.
    private static bool IsQuota(int errno, int win32) => errno is 122 or 69 || win32 is 1295 or 1816;

    // ENOSPC. Windows: disk full, handle disk full.
    private static bool IsFull(int errno, int win32) => errno is 28 || win32 is 112 or 39;

    // ENOMEM, ENFILE, EMFILE; Windows: too many open files, not enough memory (two), no system resources. It is this
    // machine that lacks something: an object that cannot be read for that is not damaged.
    private static bool IsExhausted(int errno, int win32) => errno is 12 or 23 or 24 || win32 is 4 or 8 or 14 or 1450;

    private static bool IsInUse(int errno, int win32)
    {
        // EAGAIN, EBUSY, ETXTBSY, by the numbers of Linux and of macOS; Windows: sharing violation, lock violation,
        // user-mapped section open.
        return errno is 11 or 16 or 26 or 35 || win32 is 32 or 33 or 1224;
    }

    private static bool IsGone(int errno, int win32)
    {
        // ENXIO, ENODEV, ENETDOWN, ENETUNREACH, ENOTCONN, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH, ESTALE, by the numbers of
        // Linux and of macOS. Windows: not ready, bad network path, network busy, device gone, unexpected network
        // error, network name deleted or not found, name lost, semaphore timeout, no network, unreachable.
        return errno is 6 or 19 or 100 or 101 or 107 or 110 or 112 or 113 or 116 or 57 or 60 or 64 or 65 or 70
            || win32 is 21 or 51 or 53 or 54 or 55 or 59 or 64 or 65 or 67 or 121 or 1167 or 1222 or 1231 or 1232;
    }

    // .NET puts errno into HResult on Unix and an HRESULT of the Win32 code on Windows; Mono does the latter
    // everywhere.
    private static (int Errno, int Win32) Codes(Exception error)
    {
        int code = error.HResult;
        if (error is IOException or UnauthorizedAccessException
            && (code & unchecked((int)0xFFFF0000)) == unchecked((int)0x80070000))
            return (-1, code & 0xFFFF);
        return !NativeFiles.IsWindows && code is > 0 and < 256 ? (code, -1) : (-1, -1);
    }
}
