using System.Buffers.Binary;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Vhdx;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Disks;

namespace Natalia.Backup.Engine.Tests.Disks.Vhdx;

public sealed class VhdxDiskSourceTests : IDisposable
{
    private const int MiB = VhdxBuilder.MiB;
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(MiB, 512)]
    [InlineData(MiB, 4096)]
    [InlineData(4 * MiB, 512)]
    [InlineData(32 * MiB, 4096)]
    public async Task A_dynamic_disk_reads_as_it_was_written_and_names_what_is_allocated(int block, int sector)
    {
        byte[] disk = new byte[70 * MiB + sector];
        byte[] one = Random(3 * sector), two = Random(2 * MiB), end = Random(sector);
        one.CopyTo(disk, 8192);
        two.CopyTo(disk, 40 * MiB - MiB);
        end.CopyTo(disk, disk.Length - sector);
        byte[] image = new VhdxBuilder(disk.Length) { BlockBytes = block, SectorBytes = sector }
            .Write(8192, one).Write(40 * MiB - MiB, two).Write(disk.Length - sector, end).SetState(20 * MiB / block, 2)
            .Build();

        using VhdxDiskSource source = await OpenAsync(image);

        Assert.Equal(disk.Length, source.SizeBytes);
        Assert.Equal(block, source.BlockBytes);
        Assert.Equal(sector, source.LogicalSectorBytes);
        Assert.True(disk.Matches(await source.ReadAllAsync()));
        Assert.True(disk.Matches(await source.ReadAllocatedAsync()));
        Assert.All(await source.AllocatedAsync(), e => Assert.True(e.Offset % block == 0));
        if (block == MiB)
            Assert.Equal([new Extent(0, MiB), new Extent(39 * MiB, 2 * MiB), new Extent(70 * MiB, sector)],
                await source.AllocatedAsync());
    }

    [Theory]
    [InlineData(512 * MiB)]
    [InlineData(MiB / 2)]
    [InlineData(3 * MiB)]
    public async Task Blocks_of_other_sizes_than_1_to_256_MiB_in_powers_of_two_are_refused(int block)
    {
        byte[] image = new VhdxBuilder(4 * MiB) { BlockBytes = block }.Build();

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => OpenAsync(image));

        Assert.Equal(ErrorIds.DiskImageInvalid, e.ErrorId);
        Assert.Contains($"blocks are said to have {block} bytes", e.Message, StringComparison.Ordinal);
    }

    /// <summary>More blocks than one block of a sector bitmap tells of, so entries stand between.</summary>
    [Fact]
    public async Task Blocks_behind_the_first_chunk_are_found()
    {
        const long size = 10L << 30, at = (9L << 30) + 4096;
        byte[] bytes = Random(8192);
        using VhdxDiskSource source = await OpenAsync(new VhdxBuilder(size).Write(at, bytes).Build());

        byte[] read = new byte[8192];
        await source.ReadAsync(at, read, None);

        Assert.Equal(bytes, read);
        Assert.Equal([new Extent(9L << 30, MiB)], await source.AllocatedAsync());
    }

    [Fact]
    public async Task Of_64_TiB_the_blocks_that_are_there_are_found_in_a_moment()
    {
        byte[] bytes = Random(512);
        const long size = 64L << 40;
        using VhdxDiskSource source = await OpenAsync(
            new VhdxBuilder(size) { BlockBytes = 32 * MiB }.Write(size - 512, bytes).Build());

        byte[] read = new byte[512];
        await source.ReadAsync(size - 512, read, None);

        Assert.Equal(bytes, read);
        Assert.Equal([new Extent(size - 32 * MiB, 32 * MiB)], await source.AllocatedAsync());
    }

    [Theory]
    [InlineData(MiB, 512)]
    [InlineData(2 * MiB, 4096)]
    public async Task A_chain_gives_each_sector_from_the_nearest_image_that_has_it(int block, int sector)
    {
        var random = new Random(7);
        byte[] disk = new byte[12 * MiB];
        var ids = new List<Guid>();
        for (int depth = 0; depth < 12; depth++)
        {
            var builder = new VhdxBuilder(disk.Length) { BlockBytes = block, SectorBytes = sector };
            if (depth > 0) builder.WithParent(ids[depth - 1], $@".\{depth - 1}.avhdx", $@"C:\VMs\{depth - 1}.avhdx");
            for (int i = 0; i < 6; i++)
            {
                int length = random.Next(1, i == 0 ? 2 * block / sector : 20) * sector;
                int at = random.Next(disk.Length / sector - length / sector) * sector;
                byte[] bytes = Random(length);
                builder.Write(at, bytes);
                bytes.CopyTo(disk, at);
            }
            if (depth == 5)
            {
                // A block that the guest has thrown away hides what the parents have.
                builder.Write(0, new byte[block]);
                Array.Clear(disk, 0, block);
            }
            builder.Save(_folder[$"{depth}.avhdx"]);
            ids.Add(builder.DataWriteGuid);
        }
        var parents = new ParentImagesInFolder(_folder.Path);

        using VhdxDiskSource source = await VhdxDiskSource.OpenAsync(RawDiskSource.Open(_folder["11.avhdx"]), parents,
            None);

        Assert.Equal(12, source.Depth);
        Assert.Equal(11, parents.Opened.Count);
        Assert.True(disk.Matches(await source.ReadAllAsync()));
        Assert.True(disk.Matches(await source.ReadAllAsync(step: 1000)));
        Assert.True(disk.Matches(await source.ReadAllocatedAsync()));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Zeroed_and_unmapped_blocks_of_a_child_hide_the_parent(int state)
    {
        var parent = new VhdxBuilder(3 * MiB);
        parent.Write(0, Random(3 * MiB)).Save(_folder["base.vhdx"]);
        new VhdxBuilder(3 * MiB).WithParent(parent.DataWriteGuid, @".\base.vhdx").SetState(1, state)
            .Save(_folder["child.avhdx"]);

        using VhdxDiskSource source = await OpenAsync("child.avhdx");

        byte[] read = new byte[MiB];
        await source.ReadAsync(MiB, read, None);
        Assert.All(read, b => Assert.Equal(0, b));
        Assert.Equal([new Extent(0, MiB), new Extent(2 * MiB, MiB)], await source.AllocatedAsync());
    }

    [Fact]
    public async Task A_child_that_is_larger_than_its_parent_reads_zeros_behind_it()
    {
        byte[] bytes = Random(2 * MiB);
        var parent = new VhdxBuilder(2 * MiB);
        parent.Write(0, bytes).Save(_folder["base.vhdx"]);
        new VhdxBuilder(5 * MiB).WithParent(parent.DataWriteGuid, null, @"D:\somewhere\base.vhdx")
            .Save(_folder["child.avhdx"]);

        using VhdxDiskSource source = await OpenAsync("child.avhdx");

        byte[] disk = [.. bytes, .. new byte[3 * MiB]];
        Assert.Equal(disk, await source.ReadAllAsync());
        Assert.Equal([new Extent(0, 2 * MiB)], await source.AllocatedAsync());
    }

    [Fact]
    public async Task A_parent_that_was_written_since_is_refused()
    {
        var parent = new VhdxBuilder(MiB);
        parent.Save(_folder["base.vhdx"]);
        new VhdxBuilder(MiB).WithParent(Guid.NewGuid(), @".\base.vhdx").Save(_folder["child.avhdx"]);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => OpenAsync("child.avhdx"));

        Assert.Equal(ErrorIds.DiskParentNotFound, e.ErrorId);
        Assert.Contains(parent.DataWriteGuid.ToString(), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_parent_that_is_not_there_is_named()
    {
        new VhdxBuilder(MiB).WithParent(Guid.NewGuid(), @"..\up\base.vhdx").Save(_folder["child.avhdx"]);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(async () =>
            await VhdxDiskSource.OpenAsync(RawDiskSource.Open(_folder["child.avhdx"]), null, None));
        Assert.Equal(ErrorIds.DiskParentNotFound, e.ErrorId);
        Assert.Contains(@"..\up\base.vhdx", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_parent_outside_the_folder_is_not_opened()
    {
        var parent = new VhdxBuilder(MiB);
        Directory.CreateDirectory(_folder["vm"]);
        parent.Save(_folder["base.vhdx"]);
        new VhdxBuilder(MiB).WithParent(parent.DataWriteGuid, @"..\base.vhdx").Save(_folder["vm/child.avhdx"]);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(async () =>
            await VhdxDiskSource.OpenAsync(RawDiskSource.Open(_folder["vm/child.avhdx"]),
                new ParentImagesInFolder(_folder["vm"]), None));

        Assert.Equal(ErrorIds.PathNotContained, e.ErrorId);
    }

    [Fact]
    public async Task An_image_that_is_its_own_parent_ends_in_an_error()
    {
        var id = Guid.NewGuid();
        new VhdxBuilder(MiB) { DataWriteGuid = id }.WithParent(id, @".\loop.avhdx").Save(_folder["loop.avhdx"]);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => OpenAsync("loop.avhdx"));

        Assert.Equal(ErrorIds.DiskImageInvalid, e.ErrorId);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(MiB - 3 * 4096)]
    public async Task A_log_is_replayed_in_memory_also_where_it_goes_past_its_end(int start)
    {
        byte[] disk = new byte[4 * MiB];
        Random(4 * MiB).CopyTo(disk, 0);
        byte[] image = new VhdxBuilder(disk.Length).Write(0, disk).Build();
        byte[] bat = image.AsSpan(VhdxBuilder.BatOffset, 4096).ToArray();
        int first = VhdxBuilder.BatOffset + MiB;
        byte[] older = Random(4096), newer = Random(4096);
        newer.CopyTo(disk, 8192);
        Array.Clear(disk, 3 * MiB, 65536);
        VhdxBuilder.PutIntoLog(image,
        [
            [(VhdxBuilder.BatOffset, bat, 0), (first + 8192, older, 0)],
            [(first + 8192, newer, 0), (first + 3 * MiB, null, 65536)],
        ], start);
        image.AsSpan(VhdxBuilder.BatOffset, 4096).Fill(0xEE);
        byte[] before = [.. image];

        using VhdxDiskSource source = await OpenAsync(image);

        Assert.True(disk.Matches(await source.ReadAllAsync()));
        Assert.True(disk.Matches(await source.ReadAllAsync(step: 777)));
        Assert.Equal(before, image);
    }

    [Fact]
    public async Task A_log_that_is_newer_than_the_file_is_long_tells_of_a_file_cut_off()
    {
        byte[] image = new VhdxBuilder(4 * MiB).Write(0, Random(4 * MiB)).Build();
        VhdxBuilder.PutIntoLog(image,
            [[(VhdxBuilder.BatOffset, image.AsSpan(VhdxBuilder.BatOffset, 4096).ToArray(), 0)]]);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            OpenAsync([.. image.Take(image.Length - MiB)]));

        Assert.Equal(ErrorIds.DiskImageInvalid, e.ErrorId);
        Assert.Contains("cut off", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_header_with_the_higher_number_counts_and_a_broken_one_does_not()
    {
        byte[] image = new VhdxBuilder(MiB).Build();
        var newer = Guid.NewGuid();
        byte[] header = image.AsSpan(64 * 1024, 4096).ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), 9);
        newer.ToByteArray().CopyTo(header, 32);
        VhdxBuilder.Seal(header);
        header.CopyTo(image, 64 * 1024);

        using (VhdxDiskSource source = await OpenAsync(image)) Assert.Equal(newer, source.DataWriteGuid);
        image[64 * 1024 + 100] ^= 1;
        using (VhdxDiskSource source = await OpenAsync(image)) Assert.NotEqual(newer, source.DataWriteGuid);
        image[128 * 1024 + 100] ^= 1;
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => OpenAsync(image));
        Assert.Equal(ErrorIds.DiskImageInvalid, e.ErrorId);
    }

    [Fact]
    public async Task The_second_region_table_stands_in_for_the_first()
    {
        byte[] image = new VhdxBuilder(MiB).Write(0, Random(MiB)).Build();
        image[192 * 1024 + 20] ^= 1;

        using VhdxDiskSource source = await OpenAsync(image);

        Assert.Equal(MiB, source.SizeBytes);
    }

    [Fact]
    public async Task A_block_outside_the_file_or_on_its_tables_is_an_error_when_it_is_read()
    {
        foreach (long mib in new[] { 0L, 1, 2, 4, 6, 1L << 43, (1L << 44) - 1 })
        {
            byte[] image = new VhdxBuilder(2 * MiB).Write(0, Random(MiB)).Build();
            BinaryPrimitives.WriteInt64LittleEndian(image.AsSpan(VhdxBuilder.BatOffset + 8), (mib << 20) | 6);
            using VhdxDiskSource source = await OpenAsync(image);

            NataliaException e = await Assert.ThrowsAsync<NataliaException>(async () =>
                await source.ReadAsync(MiB, new byte[1], None));

            Assert.Equal(ErrorIds.DiskImageInvalid, e.ErrorId);
        }
    }

    [Fact]
    public async Task Many_threads_read_at_once()
    {
        byte[] disk = Random(8 * MiB);
        using VhdxDiskSource source = await OpenAsync(new VhdxBuilder(disk.Length).Write(0, disk).Build());
        byte[] read = new byte[disk.Length];

        await Parallel.ForEachAsync(Enumerable.Range(0, 256), async (i, stop) =>
            await source.ReadAsync(i * 32768, read.AsMemory(i * 32768, 32768), stop));

        Assert.True(disk.Matches(read));
    }

    private Task<VhdxDiskSource> OpenAsync(string name) =>
        VhdxDiskSource.OpenAsync(RawDiskSource.Open(_folder[name]), new ParentImagesInFolder(_folder.Path), None);

    private static Task<VhdxDiskSource> OpenAsync(byte[] image) =>
        VhdxDiskSource.OpenAsync(new MemoryDiskSource(image), null, None);

    private static byte[] Random(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }
}
