using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Disks.Vhdx;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Disks;

namespace Natalia.Backup.Engine.Tests.Disks.Images;

/// <summary>What all targets promise, whatever they write.</summary>
public sealed class DiskTargetTests : IDisposable
{
    private const int MiB = 1024 * 1024;
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public static TheoryData<DiskFormat> Formats => [DiskFormat.Raw, DiskFormat.Vhdx, DiskFormat.Vmdk,
        DiskFormat.VmdkFlat, DiskFormat.VmdkStreamOptimized];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task What_was_written_is_read_and_zeros_take_no_place(DiskFormat format)
    {
        var disk = new byte[40 * MiB + 512];
        new Random(5).NextBytes(disk.AsSpan(MiB / 2, 3 * MiB));
        new Random(6).NextBytes(disk.AsSpan(21 * MiB, 1000));
        string path = Path(format);

        using (IDiskTarget target = DiskImages.Create(format, path, overwrite: false))
        {
            await target.BeginAsync(disk.Length, None);
            // Zeros are written as well; they must not take a place.
            for (int at = 0; at < disk.Length; at += 300_000)
                await target.WriteAsync(at, disk.AsMemory(at, Math.Min(300_000, disk.Length - at)), None);
            await target.CompleteAsync(None);
        }

        using IDiskSource source = await OpenAsync(path, format);
        Assert.Equal(disk.Length, source.SizeBytes);
        Assert.True(disk.Matches(await source.ReadAllAsync()));
        if (format is not (DiskFormat.Raw or DiskFormat.VmdkFlat))
            Assert.InRange((await source.AllocatedAsync()).Sum(e => e.Length), 3 * MiB, 8 * MiB);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task A_target_that_is_not_completed_leaves_nothing_and_touches_no_older_file(DiskFormat format)
    {
        string path = Path(format);
        File.WriteAllText(path, "older");

        using (IDiskTarget target = DiskImages.Create(format, path, overwrite: true))
        {
            await target.BeginAsync(5 * MiB, None);
            await target.WriteAsync(0, new byte[] { 1, 2, 3 }, None);
        }

        Assert.Equal("older", File.ReadAllText(path));
        Assert.Single(_folder.Files);
        using IDiskTarget refused = DiskImages.Create(format, path, overwrite: false);
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => refused.BeginAsync(MiB, None));
        Assert.Equal(ErrorIds.DestinationExists, e.ErrorId);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task An_odd_size_is_filled_up_to_a_sector_where_the_format_has_sectors(DiskFormat format)
    {
        string path = Path(format);
        using (IDiskTarget target = DiskImages.Create(format, path, overwrite: false))
            await new MemoryDiskSource([.. Enumerable.Repeat((byte)9, 1000)]).CopyToAsync(target);

        using IDiskSource source = await OpenAsync(path, format);
        byte[] read = await source.ReadAllAsync();
        Assert.Equal(format == DiskFormat.Raw ? 1000 : 1024, read.Length);
        Assert.Equal(1000, read.Count(b => b == 9));
    }

    [Theory]
    [InlineData(DiskFormat.Vhdx, 0)]
    [InlineData(DiskFormat.Vhdx, (64L << 40) + 1)]
    [InlineData(DiskFormat.Vmdk, 0)]
    [InlineData(DiskFormat.Vmdk, 2L << 40)]
    [InlineData(DiskFormat.VmdkStreamOptimized, 2L << 40)]
    [InlineData(DiskFormat.VmdkFlat, 0)]
    public async Task A_size_that_the_format_does_not_have_is_refused_at_once(DiskFormat format, long size)
    {
        using IDiskTarget target = DiskImages.Create(format, Path(format), overwrite: false);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => target.BeginAsync(size, None));

        Assert.Equal(ErrorIds.DestinationWriteFailed, e.ErrorId);
        target.Dispose();
        Assert.Empty(_folder.Files);
    }

    [Theory]
    [InlineData(DiskFormat.Vhdx)]
    [InlineData(DiskFormat.Vmdk)]
    public async Task Writes_come_in_any_order_from_many_threads(DiskFormat format)
    {
        var disk = new byte[30 * MiB];
        new Random(8).NextBytes(disk);
        Array.Clear(disk, 7 * MiB, 6 * MiB);
        string path = Path(format);
        const int step = 199_999;
        using (IDiskTarget target = DiskImages.Create(format, path, overwrite: false))
        {
            await target.BeginAsync(disk.Length, None);
            await Parallel.ForEachAsync(Enumerable.Range(0, disk.Length / step + 1).Reverse(),
                new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, stop) => await target.WriteAsync(
                    i * step, disk.AsMemory(i * step, Math.Min(step, disk.Length - i * step)), stop));
            await target.CompleteAsync(None);
        }

        using IDiskSource source = await OpenAsync(path, format);
        Assert.True(disk.Matches(await source.ReadAllAsync()));
    }

    /// <summary>A child names its parent's state by this id, so two files must never share one.</summary>
    [Fact]
    public async Task Each_vhdx_that_is_written_has_ids_of_its_own()
    {
        var ids = new HashSet<Guid>();
        foreach (string name in new[] { "a.vhdx", "b.vhdx" })
        {
            using (var target = new VhdxDiskTarget(_folder[name]))
                await new MemoryDiskSource(new byte[MiB]).CopyToAsync(target);
            using VhdxDiskSource source = await VhdxDiskSource.OpenAsync(RawDiskSource.Open(_folder[name]), null, None);
            Assert.True(ids.Add(source.DataWriteGuid) && ids.Add(source.VirtualDiskId));
            Assert.Equal(512, source.LogicalSectorBytes);
            Assert.Equal(4096, source.PhysicalSectorBytes);
            Assert.Equal(new List<Extent>(), await source.AllocatedAsync());
        }
    }

    private string Path(DiskFormat format) => _folder["disk" + DiskImages.ExtensionOf(format)];

    private async Task<IDiskSource> OpenAsync(string path, DiskFormat format)
    {
        var parts = new ParentImagesInFolder(_folder.Path);
        ImageFormat layout = format switch
        {
            DiskFormat.Raw => ImageFormat.Raw,
            DiskFormat.Vhdx => ImageFormat.Vhdx,
            _ => ImageFormat.Vmdk,
        };
        return await DiskImages.OpenAsync(RawDiskSource.Open(path), layout, parts, parts, None);
    }
}
