using System.Diagnostics;
using System.Runtime.CompilerServices;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests;

/// <summary>
/// A test on a file system of 16 MiB, which not every machine lets its tests mount; then it is skipped.
/// </summary>
public sealed class SmallDiskFactAttribute : FactAttribute
{
    private static readonly Lazy<string?> s_obstacle = new(FindObstacle);

    public SmallDiskFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Qemu.Obstacle ?? s_obstacle.Value);

    internal static void Mount(string folder) => Assert.Equal(0, Run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder));

    internal static void Unmount(string folder) => Assert.Equal(0, Run("umount", folder));

    private static string? FindObstacle()
    {
        const string obstacle = "A small file system cannot be mounted by this user on this machine.";
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root") return obstacle;
        using var folder = new TemporaryFolder();
        if (Run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder.Path) != 0) return obstacle;
        Unmount(folder.Path);
        return null;
    }

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardError = true,
        })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}
