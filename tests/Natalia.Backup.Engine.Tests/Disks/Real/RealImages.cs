using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks.Real;

/// <summary>Programs of the distribution, and a disk to try them on.</summary>
internal static class RealImages
{
    private const int MiB = 1024 * 1024;

    internal static void QemuImg(params string[] arguments)
    {
        (int code, string output, string errors) = Counterpart.QemuImg.Run(new Dictionary<string, string?>(),
            arguments);
        Assert.True(code == 0, $"qemu-img {string.Join(" ", arguments)}: {code} {errors}{output}");
    }

    internal static string Python(string script, params string[] arguments)
    {
        (int code, string output, string errors) = Counterpart.Vhdi.Run(new Dictionary<string, string?>(),
            ["-c", script, .. arguments]);
        Assert.True(code == 0, $"{code} {errors}{output}");
        return output;
    }

    /// <summary>Data, holes, zeros that are written, and a last sector that is full.</summary>
    internal static byte[] Disk(int length = 37 * MiB + 512)
    {
        var random = new Random(length);
        var disk = new byte[length];
        foreach ((int at, int size) in new[] { (0, 4096), (MiB + 512, 3 * MiB), (9 * MiB, 100), (20 * MiB, MiB / 2),
            (length - 512, 512) })
            random.NextBytes(disk.AsSpan(at, Math.Min(size, length - at)));
        // What compresses, as most of a disk does.
        for (int at = 24 * MiB; at < 26 * MiB; at++) disk[at] = (byte)(at >> 8);
        return disk;
    }
}
