using System.Diagnostics;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks;

public sealed class BlockDeviceTests : IDisposable
{
    private const int Size = 4 << 20;

    private readonly TemporaryFolder _folder = new();
    private readonly string _device;

    public BlockDeviceTests()
    {
        var bytes = new byte[Size];
        new Random(5).NextBytes(bytes);
        File.WriteAllBytes(_folder["backing"], bytes);
        _device = LoopFactAttribute.Run("losetup", "-f --show " + _folder["backing"]).Trim();
    }

    public void Dispose()
    {
        LoopFactAttribute.Run("losetup", "-d " + _device);
        _folder.Dispose();
    }

    [LoopFact]
    public async Task A_block_device_has_its_real_size_and_every_byte()
    {
        using RawDiskSource disk = RawDiskSource.Open(_device);
        var read = new byte[Size];
        await disk.ReadAsync(0, read, CancellationToken.None);

        Assert.Equal(Size, disk.SizeBytes);
        Assert.Equal(File.ReadAllBytes(_folder["backing"]), read);
        Assert.True(disk.IsBlockDevice);
        Assert.True(disk.WritesAreNoticed);
        disk.VerifyUnchanged();
    }

    [LoopFact]
    public void A_node_in_a_folder_shows_the_size_of_its_disk()
    {
        string numbers = File.ReadAllText($"/sys/class/block/{Path.GetFileName(_device)}/dev").Trim().Replace(':', ' ');
        LoopFactAttribute.Run("mknod", $"{_folder["data.raw"]} b {numbers}");

        Assert.Equal(Size, ContainedFile.Find(_folder.Path, "data.raw", "a test")!.GetLength());
    }

    [LoopFact]
    public void What_is_written_to_a_block_device_while_it_is_read_is_noticed_even_before_it_is_stored()
    {
        using RawDiskSource disk = RawDiskSource.Open(_device);
        using (var writer = new FileStream(_device, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            writer.WriteByte(1);

        Assert.Equal(ErrorIds.DiskChangedWhileRead, Assert.Throws<NataliaException>(disk.VerifyUnchanged).ErrorId);
    }

    [LoopFact]
    public void A_block_device_that_is_mounted_is_in_use()
    {
        LoopFactAttribute.Run("mkfs.ext4", "-q -F " + _device);
        Directory.CreateDirectory(_folder["mount"]);
        LoopFactAttribute.Run("mount", $"{_device} {_folder["mount"]}");
        try
        {
            Assert.Equal(ErrorIds.DiskInUse,
                Assert.Throws<NataliaException>(() => RawDiskSource.Open(_device)).ErrorId);
        }
        finally
        {
            LoopFactAttribute.Run("umount", _folder["mount"]);
        }
        RawDiskSource.Open(_device).Dispose();
    }
}

/// <summary>A test on a loop device; skipped with the reason where none can be made.</summary>
public sealed class LoopFactAttribute : FactAttribute
{
    private static readonly string? s_obstacle = FindObstacle();

    public LoopFactAttribute() => Skip = s_obstacle!;

    internal static string Run(string program, string arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd(), errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program}: {errors.Trim()}");
    }

    private static string? FindObstacle()
    {
        if (!OperatingSystem.IsLinux()) return "Loop devices are there on Linux only.";
        if (!Environment.IsPrivilegedProcess) return "Making a loop device needs root.";
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(file, new byte[4096]);
            Run("losetup", "-d " + Run("losetup", "-f --show " + file).Trim());
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return "This system makes no loop devices: " + e.Message;
        }
        finally
        {
            File.Delete(file);
        }
    }
}
