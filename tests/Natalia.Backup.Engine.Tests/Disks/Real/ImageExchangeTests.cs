using System.Globalization;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Disks.Vhd;
using Natalia.Backup.Engine.Disks.Vmdk;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Disks;

namespace Natalia.Backup.Engine.Tests.Disks.Real;

/// <summary>What we write qemu-img reads, and what it writes we read, bit for bit.</summary>
public sealed class ImageExchangeTests : IDisposable
{
    private const int MiB = 1024 * 1024;
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _folder.Dispose();

    [QemuImgTheory]
    [InlineData(DiskFormat.Vhdx, "vhdx", 37 * MiB + 512)]
    [InlineData(DiskFormat.Vhdx, "vhdx", 512)]
    [InlineData(DiskFormat.Vmdk, "vmdk", 37 * MiB + 512)]
    [InlineData(DiskFormat.VmdkFlat, "vmdk", 37 * MiB + 512)]
    [InlineData(DiskFormat.VmdkStreamOptimized, "vmdk", 37 * MiB + 512)]
    [InlineData(DiskFormat.VmdkStreamOptimized, "vmdk", 64 * 1024)]
    public async Task Qemu_reads_what_we_write_and_so_do_we(DiskFormat format, string qemu, int size)
    {
        byte[] disk = size > 30 * MiB ? RealImages.Disk(size) : new byte[size];
        disk[size - 1] = 5;
        string image = _folder["disk" + DiskImages.ExtensionOf(format)];

        using (IDiskTarget target = DiskImages.Create(format, image, overwrite: false))
            await new MemoryDiskSource(disk).CopyToAsync(target, step: 99_991);

        File.WriteAllBytes(_folder["disk.raw"], disk);
        RealImages.QemuImg("compare", "-f", "raw", "-F", qemu, _folder["disk.raw"], image);
        if (format is DiskFormat.Vhdx or DiskFormat.Vmdk) RealImages.QemuImg("check", "-f", qemu, image);
        using IDiskSource source = await OpenAsync(image);
        Assert.Equal(size, source.SizeBytes);
        Assert.True(disk.Matches(await source.ReadAllAsync()));
        Assert.True(disk.Matches(await source.ReadAllocatedAsync()));
        Assert.DoesNotContain(_folder.Files, f => f.EndsWith(".partial", StringComparison.Ordinal));
    }

    [QemuImgTheory]
    [InlineData("vpc", "subformat=dynamic,force_size=on", "vhd")]
    [InlineData("vpc", "subformat=fixed,force_size=on", "vhd")]
    [InlineData("vpc", "subformat=dynamic", "vhd")]
    [InlineData("vmdk", "subformat=monolithicSparse", "vmdk")]
    [InlineData("vmdk", "subformat=monolithicSparse,zeroed_grain=on", "vmdk")]
    [InlineData("vmdk", "subformat=monolithicFlat", "vmdk")]
    [InlineData("vmdk", "subformat=twoGbMaxExtentSparse", "vmdk")]
    [InlineData("vmdk", "subformat=twoGbMaxExtentFlat", "vmdk")]
    [InlineData("vmdk", "subformat=streamOptimized", "vmdk")]
    public async Task We_read_what_qemu_writes(string qemu, string options, string extension)
    {
        byte[] disk = RealImages.Disk();
        File.WriteAllBytes(_folder["disk.raw"], disk);
        string image = _folder["disk." + extension];
        RealImages.QemuImg("convert", "-f", "raw", "-O", qemu, "-o", options, _folder["disk.raw"], image);

        using IDiskSource source = await OpenAsync(image);

        // Where the size is not kept the old way, geometry rounds it up.
        Assert.InRange(source.SizeBytes, disk.Length, disk.Length + 2 * MiB);
        Array.Resize(ref disk, (int)source.SizeBytes);
        Assert.True(disk.Matches(await source.ReadAllAsync()));
        Assert.True(disk.Matches(await source.ReadAllAsync(step: 65_537)));
        Assert.True(disk.Matches(await source.ReadAllocatedAsync()));
    }

    [QemuImgFact]
    public async Task A_stream_is_read_in_one_pass_whoever_wrote_it()
    {
        byte[] disk = RealImages.Disk();
        File.WriteAllBytes(_folder["disk.raw"], disk);
        RealImages.QemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized",
            _folder["disk.raw"], _folder["theirs.vmdk"]);
        using (var target = new VmdkStreamTarget(_folder["ours.vmdk"]))
            await new MemoryDiskSource(disk).CopyToAsync(target);

        foreach (string name in new[] { "theirs.vmdk", "ours.vmdk" })
        {
            using VmdkStreamReader reader = await VmdkStreamReader.OpenAsync(File.OpenRead(_folder[name]), name, None);
            var read = new byte[reader.SizeBytes];
            while (await reader.ReadNextAsync(None) is (long offset, ReadOnlyMemory<byte> bytes))
                bytes.CopyTo(read.AsMemory((int)offset));
            Assert.True(disk.Matches(read), name);
        }
    }

    /// <summary>A disk beyond what 32 bits reach, of which little is written.</summary>
    [QemuImgTheory]
    [InlineData(DiskFormat.Vhdx, "vhdx", 64L << 40)]
    [InlineData(DiskFormat.Vhdx, "vhdx", 3L << 40)]
    [InlineData(DiskFormat.Vmdk, "vmdk", 1L << 40)]
    [InlineData(DiskFormat.VmdkStreamOptimized, "vmdk", 1L << 40)]
    public async Task A_huge_disk_takes_a_moment(DiskFormat format, string qemu, long size)
    {
        string image = _folder["disk" + DiskImages.ExtensionOf(format)];
        byte[] bytes = [.. Enumerable.Range(1, 65536).Select(i => (byte)(i * 31))];
        using (IDiskTarget target = DiskImages.Create(format, image, overwrite: false))
        {
            await target.BeginAsync(size, None);
            await target.WriteAsync(512, bytes, None);
            await target.WriteAsync(size / 2, bytes, None);
            await target.WriteAsync(size - bytes.Length, bytes, None);
            await target.CompleteAsync(None);
        }

        using IDiskSource source = await OpenAsync(image);
        foreach (long at in new[] { 512, size / 2, size - bytes.Length })
        {
            var read = new byte[bytes.Length];
            await source.ReadAsync(at, read, None);
            Assert.True(bytes.Matches(read));
            RealImages.QemuImg("dd", "-f", qemu, "-O", "raw", $"if={image}", $"of={_folder["part.raw"]}", "bs=512",
                $"skip={(at / 512).ToString(CultureInfo.InvariantCulture)}",
                $"count={((at + bytes.Length) / 512).ToString(CultureInfo.InvariantCulture)}");
            Assert.True(bytes.Matches(File.ReadAllBytes(_folder["part.raw"])));
        }
        Assert.InRange((await source.AllocatedAsync()).Sum(e => e.Length), 3 * 65536, 100L << 20);
    }

    /// <summary>
    /// Libvhdi of 2021 takes the sectors behind one that is in a VHD child for the child's, to the end of the byte of
    /// the bitmap. So it is asked of eight sectors together; of single ones we know what we wrote.
    /// </summary>
    [VhdiTheory]
    [InlineData("subformat=dynamic", 4096)]
    [InlineData("subformat=fixed", 4096)]
    [InlineData("subformat=dynamic", 512)]
    public async Task A_differencing_vhd_reads_as_libvhdi_reads_it(string options, int unit)
    {
        byte[] disk = RealImages.Disk();
        File.WriteAllBytes(_folder["disk.raw"], disk);
        RealImages.QemuImg("convert", "-f", "raw", "-O", "vpc", "-o", options + ",force_size=on", _folder["disk.raw"],
            _folder["base.vhd"]);
        byte[] parent = File.ReadAllBytes(_folder["base.vhd"]);
        byte[] child = DifferencingVhd.Make(parent, disk.Length, "base.vhd",
            [(0, unit, 7), (2 * MiB - unit, 2 * unit, 8), (20 * MiB, unit, 9)]);
        File.WriteAllBytes(_folder["child.vhd"], child);
        disk.AsSpan(0, unit).Fill(7);
        disk.AsSpan(2 * MiB - unit, 2 * unit).Fill(8);
        disk.AsSpan(20 * MiB, unit).Fill(9);

        RealImages.Python(VhdxRealTests.ReadChain, _folder["theirs.raw"], _folder["base.vhd"], _folder["child.vhd"]);

        using VhdDiskSource source = await VhdDiskSource.OpenAsync(RawDiskSource.Open(_folder["child.vhd"]),
            new ParentImagesInFolder(_folder.Path), None);
        Assert.True(disk.Matches(await source.ReadAllAsync()));
        Assert.True(disk.Matches(await source.ReadAllocatedAsync()));
        if (unit == 4096) Assert.True(disk.Matches(File.ReadAllBytes(_folder["theirs.raw"])));
    }

    private async Task<IDiskSource> OpenAsync(string path)
    {
        var parents = new ParentImagesInFolder(_folder.Path);
        RawDiskSource file = RawDiskSource.Open(path);
        DetectedImage? seen = await ImageFormats.DetectAsync(file, ImageFormats.FromName(path), None);
        return await DiskImages.OpenAsync(file, seen!.Format, parents, parents, None);
    }
}
