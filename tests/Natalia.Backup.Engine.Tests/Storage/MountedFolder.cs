using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

/// <summary>
/// A small file system in memory, mounted for one test: can be filled, made read-only and taken away.
/// </summary>
public sealed class MountedFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string[] _mount;
    private bool _mounted;

    public MountedFolder(string size) : this(["-t", "tmpfs", "-o", $"size={size}", "tmpfs"])
    {
    }

    private MountedFolder(string[] mount)
    {
        _mount = mount;
        Mount();
    }

    /// <summary>
    /// Another folder, mounted here as a share of another machine would be: it keeps its files while it is away.
    /// </summary>
    public static MountedFolder Of(string folder) => new(["--bind", folder]);

    public string Path => _folder.Path;

    public void MakeReadOnly() => Run("mount", "-o", "remount,ro", _folder.Path);

    public void Mount()
    {
        Run("mount", [.. _mount, _folder.Path]);
        _mounted = true;
    }

    public void Unmount()
    {
        // Lazily: as a share that goes away does, whatever is open.
        Run("umount", "-l", _folder.Path);
        _mounted = false;
    }

    public void Dispose()
    {
        if (_mounted) Unmount();
        _folder.Dispose();
    }

    /// <summary>Null where this can be had, else the reason why not.</summary>
    public static string? Obstacle { get; } = FindObstacle();

    private static string? FindObstacle()
    {
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Linux))
            return "Mounting a file system for a test is done on Linux only.";
        if (!Environment.IsPrivilegedProcess) return "Mounting a file system for a test needs root.";
        try
        {
            using var probe = new MountedFolder("64k");
            return null;
        }
        catch (Exception error)
        {
            return $"This system does not let root mount a tmpfs: {error.Message}";
        }
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program,
            string.Join(" ", arguments))
        { RedirectStandardError = true, UseShellExecute = false })!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program}: {errors.Trim()}");
    }
}

/// <summary>A test that mounts a file system; skipped with the reason where that is not allowed.</summary>
public sealed class MountFactAttribute : FactAttribute
{
    public MountFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, MountedFolder.Obstacle);
}

/// <summary>A test of what only Unix has.</summary>
public sealed class UnixFactAttribute : FactAttribute
{
    public UnixFactAttribute([CallerMemberName] string test = "") => (Skip, DisplayName) =
        SkippedTest.With(test,
            RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? "Only where the system is Unix." : null);
}
