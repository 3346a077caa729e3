using System.Runtime.InteropServices;

namespace Natalia.Backup.Host;

/// <summary>What PowerShell takes for granted: files to open, memory, a home folder to write to.</summary>
internal static partial class Surroundings
{
    /// <summary>PowerShell's start was seen to need 150, and hangs or dies with less.</summary>
    private const ulong OpenFiles = 256;

    private const long Memory = 32 << 20;

    /// <summary>
    /// What a backup takes at most, in MiB: on two processors, and for each further one up to the fifteenth. A test of
    /// both ends holds it.
    /// </summary>
    private static int BackupMemory => 400 + 36 * (Math.Min(Math.Max(Environment.ProcessorCount, 2), 15) - 2);

    /// <summary>Says at once what would otherwise end somewhere in the middle.</summary>
    /// <exception cref="InvalidOperationException">This process may not have what PowerShell's start needs.</exception>
    public static void Check()
    {
        if (OperatingSystem.IsLinux())
        {
            var limit = default(Limit);
            const int NumberOfFiles = 7;
            if (GetLimit(NumberOfFiles, ref limit) == 0 && limit.Current < OpenFiles)
                throw new InvalidOperationException(
                    $"This process may open {limit.Current} files, and PowerShell needs {OpenFiles}: raise it, for "
                    + "instance with 'ulimit -n 1024'.");
        }

        var available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (available < Memory)
            throw new InvalidOperationException(
                $"This process may have {available >> 20} MiB of memory, and PowerShell needs {Memory >> 20}; a "
                + $"backup takes up to {BackupMemory}.");
    }

    /// <summary>
    /// PowerShell makes folders for its cache and modules in the home folder, and does not start on a read-only one.
    /// </summary>
    public static void DoWithoutHome()
    {
        if (OperatingSystem.IsWindows() || Variable("HOME") is not { } home)
            return;
        if (!CanMake(Path.Combine(Variable("XDG_CACHE_HOME") ?? Path.Combine(home, ".cache"), "powershell")))
            Environment.SetEnvironmentVariable("XDG_CACHE_HOME", Path.Combine(AppContext.BaseDirectory, "cache"));
        // A folder that is named in the variable is not made.
        var data = Path.Combine(home, ".local", "share");
        if (Variable("XDG_DATA_HOME") is null && !CanMake(Path.Combine(data, "powershell", "Modules")))
            Environment.SetEnvironmentVariable("XDG_DATA_HOME", data);
    }

    private static string? Variable(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static bool CanMake(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private struct Limit
    {
        public ulong Current;
        public ulong Maximum;
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, ref Limit limit);
}
