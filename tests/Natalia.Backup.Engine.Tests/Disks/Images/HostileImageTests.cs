using System.Text;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Disks.Vhd;
using Natalia.Backup.Engine.Disks.Vmdk;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Disks;

namespace Natalia.Backup.Engine.Tests.Disks.Images;

/// <summary>Broken VHD, VMDK and QCOW2 images end in an error or in a disk, soon and without much memory.</summary>
public sealed class HostileImageTests : IDisposable
{
    private const int MiB = 1024 * 1024;
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public Task A_broken_sparse_vmdk()
    {
        byte[] image = Write(DiskFormat.Vmdk);
        return HostileImages.CheckAsync(image, [(0, 80), (512, 400), (21 * 512, 64), (22 * 512, 600)], OpenVmdkAsync);
    }

    [Fact]
    public Task A_broken_stream_optimised_vmdk()
    {
        byte[] image = Write(DiskFormat.VmdkStreamOptimized);
        return HostileImages.CheckAsync(image,
            [(0, 80), (512, 400), (64 * 1024, 600), (image.Length - 1024, 80), (image.Length - 4096, 4096)],
            OpenVmdkAsync);
    }

    [Fact]
    public async Task A_broken_stream_that_is_read_in_one_pass()
    {
        byte[] image = Write(DiskFormat.VmdkStreamOptimized);
        int whole = 0;
        for (int round = 0; round < 400; round++)
        {
            byte[] broken = [.. image];
            var random = new Random(round);
            for (int i = random.Next(3) + 1; i > 0; i--)
            {
                int at = random.Next(4) == 0 ? random.Next(80) : 64 * 1024 + random.Next(image.Length - 64 * 1024);
                broken[at] = (byte)random.Next(256);
            }
            if (random.Next(5) == 0) Array.Resize(ref broken, random.Next(broken.Length));
            try
            {
                using VmdkStreamReader reader = await VmdkStreamReader.OpenAsync(new MemoryStream(broken), "s", None);
                while (await reader.ReadNextAsync(None) is (long offset, ReadOnlyMemory<byte> bytes))
                    Assert.True(offset >= 0 && offset + bytes.Length <= reader.SizeBytes);
                whole++;
            }
            catch (NataliaException e)
            {
                Assert.Contains(e.ErrorId, new[] { ErrorIds.DiskImageInvalid, ErrorIds.DiskFormatNotSupported });
            }
        }
        Assert.InRange(whole, 1, 399);
    }

    [Fact]
    public Task A_broken_text_of_a_vmdk()
    {
        byte[] flat = new byte[2 * MiB];
        byte[] text = Encoding.UTF8.GetBytes("# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\n"
            + "createType=\"monolithicFlat\"\n\nRW 2048 FLAT \"a-flat.vmdk\" 0\nRW 1024 ZERO\n"
            + "RW 1024 FLAT \"b.vmdk\" 1024\n");
        return HostileImages.CheckAsync(text, [(0, text.Length), (100, text.Length - 104)],
            async (file, stop) => await VmdkDiskSource.OpenAsync(file, new OnePart(flat), stop));
    }

    [Fact]
    public Task A_broken_differencing_vhd()
    {
        byte[] parent = FixedVhd.Make(new byte[4 * MiB]);
        byte[] child = DifferencingVhd.Make(parent, 4 * MiB, "base.vhd", [(0, 1024, 1), (3 * MiB, 512, 2)]);
        return HostileImages.CheckAsync(child, [(0, 90), (512, 700), (512 + 1024, 16), (child.Length - 512, 90)],
            async (file, stop) => await VhdDiskSource.OpenAsync(file, new OnePart(parent), stop), seal: bytes =>
            {
                foreach ((int at, int length, int sum) in new[] { (0, 512, 64), (512, 1024, 36),
                    (bytes.Length - 512, 512, 64) })
                {
                    byte[] part = bytes.AsSpan(at, length).ToArray();
                    DifferencingVhd.Seal(part, sum);
                    part.CopyTo(bytes, at);
                }
            });
    }

    [Fact]
    public Task A_broken_qcow2()
    {
        byte[] image = Qcow2Image.Make(Disk(3 * MiB), Packed(65536, 65536));
        return HostileImages.CheckAsync(image, [(0, 112), (Qcow2Image.DirectoryOffset, 8),
            (Qcow2Image.TableOffset, 48 * 8)], OpenQcow2Async);
    }

    [Theory]
    [InlineData(9, 1L << 43)]
    [InlineData(21, 1L << 60)]
    public async Task A_qcow2_that_claims_more_than_there_is_costs_neither_memory_nor_time(int clusterBits, long size)
    {
        // As long as the directory that it claims needs; all of it holes.
        var file = new ClaimedFile(Qcow2Image.Header(clusterBits, size, 1 << 28, 1 << clusterBits), 3L << 30);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => OpenQcow2Async(file, None));

        Assert.Equal(ErrorIds.DiskFormatNotSupported, e.ErrorId);
    }

    [Fact]
    public async Task Tables_that_a_qcow2_does_not_have_take_no_time_and_looking_through_it_ends_on_demand()
    {
        using IDiskSource disk = await OpenQcow2Async(
            new ClaimedFile(Qcow2Image.Header(16, 64L << 40, 1 << 17, 1 << 16), 2 * MiB), None);

        Assert.Empty(await disk.AllocatedAsync());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (Extent _ in disk.GetAllocatedExtentsAsync(new CancellationToken(canceled: true))) { }
        });
    }

    [Fact]
    public async Task A_packed_cluster_that_ends_early_is_an_error_and_the_others_are_read()
    {
        byte[] whole = Disk(3 * 65536), last = [.. whole.Skip(2 * 65536)];
        using (IDiskSource disk = await OpenQcow2Async(
            new MemoryDiskSource(Qcow2Image.Make(whole, Pack(last))), None))
            Assert.True(whole.Matches(await disk.ReadAllAsync()));

        foreach (byte[] packed in new[] { Packed(65536, 100), [.. Pack(last).Take(40)] })
        {
            byte[] image = Qcow2Image.Make(whole, packed);
            // Cut off where the cluster ends, so that nothing lies behind it.
            Array.Resize(ref image, Qcow2Image.TableOffset + 3 * 65536 + packed.Length);
            using IDiskSource disk = await OpenQcow2Async(new MemoryDiskSource(image), None);
            await disk.ReadAsync(0, new byte[2 * 65536], None);
            NataliaException e = await Assert.ThrowsAsync<NataliaException>(async () =>
                await disk.ReadAsync(2 * 65536, new byte[512], None));
            Assert.Equal(ErrorIds.DiskReadFailed, e.ErrorId);
        }
    }

    [Fact]
    public async Task A_grain_whose_bytes_are_not_what_was_packed_is_an_error()
    {
        byte[] image = Write(DiskFormat.VmdkStreamOptimized);
        image[64 * 1024 + 2000] ^= 4;
        using IDiskSource disk = await OpenVmdkAsync(new MemoryDiskSource(image), None);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(async () =>
            await disk.ReadAsync(0, new byte[65536], None));

        Assert.Equal(ErrorIds.DiskImageInvalid, e.ErrorId);
    }

    [Fact]
    public async Task A_vmdk_that_was_cut_off_is_refused_when_it_is_opened()
    {
        byte[] image = Write(DiskFormat.VmdkStreamOptimized);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            OpenVmdkAsync(new MemoryDiskSource([.. image.Take(image.Length - 512)]), None));

        Assert.Contains("cut off", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("RW 2048 FLAT \"../secret.raw\" 0")]
    [InlineData("RW 2048 FLAT \"/etc/passwd\" 0")]
    [InlineData("RW 2048 FLAT \"..\\\\..\\\\secret.raw\" 0")]
    public async Task A_vmdk_reads_no_file_outside_its_folder(string extent)
    {
        Directory.CreateDirectory(_folder["vm"]);
        File.WriteAllBytes(_folder["secret.raw"], new byte[MiB]);
        File.WriteAllText(_folder["vm/disk.vmdk"],
            $"# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\n{extent}\n");

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => VmdkDiskSource.OpenAsync(
            RawDiskSource.Open(_folder["vm/disk.vmdk"]), new ParentImagesInFolder(_folder["vm"]), None));

        Assert.Contains(e.ErrorId, new[] { ErrorIds.PathNotContained, ErrorIds.DiskNotFound });
    }

    [Theory]
    [InlineData("parentCID=12345678\nRW 2048 FLAT \"a.vmdk\" 0", "differs")]
    [InlineData("parentCID=ffffffff\nRW 2048 VMFSSPARSE \"a.vmdk\"", "VMFSSPARSE")]
    [InlineData("encoding=\"Klingon-1\"\nparentCID=ffffffff\nRW 2048 FLAT \"\u00FC.vmdk\" 0", "Klingon-1")]
    [InlineData("parentCID=ffffffff\nencryption.keySafe = \"x\"\nRW 2048 FLAT \"a.vmdk\" 0", "encrypted")]
    public async Task What_is_not_read_is_refused_by_name(string text, string word)
    {
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => OpenVmdkAsync(
            new MemoryDiskSource(Encoding.UTF8.GetBytes("# Disk DescriptorFile\n" + text)), None));

        Assert.Equal(ErrorIds.DiskFormatNotSupported, e.ErrorId);
        Assert.Contains(word, e.Message, StringComparison.Ordinal);
    }

    private static async Task<IDiskSource> OpenVmdkAsync(IDiskSource file, CancellationToken cancellationToken) =>
        await VmdkDiskSource.OpenAsync(file, null, cancellationToken);

    private static async Task<IDiskSource> OpenQcow2Async(IDiskSource file, CancellationToken cancellationToken) =>
        await Qcow2DiskSource.OpenAsync(file, "q", cancellationToken);

    private static byte[] Packed(int length, int kept) => Pack([.. Disk(length).Take(kept)]);

    private static byte[] Pack(byte[] bytes)
    {
        using var packer = new ZstdSharp.Compressor();
        return packer.Wrap(bytes).ToArray();
    }

    private static byte[] Disk(int length)
    {
        var disk = new byte[length];
        for (int i = 0; i < length; i++) disk[i] = (byte)(i * 31 >> 7);
        return disk;
    }

    private byte[] Write(DiskFormat format)
    {
        byte[] disk = [.. Disk(2 * MiB), .. new byte[MiB]];
        string path = _folder[$"{format}.vmdk"];
        using (IDiskTarget target = DiskImages.Create(format, path, overwrite: true))
            new MemoryDiskSource(disk).CopyToAsync(target).GetAwaiter().GetResult();
        return File.ReadAllBytes(path);
    }

    /// <summary>A long file that holds a header, and zeros behind it.</summary>
    private sealed class ClaimedFile(byte[] header, long length) : IDiskSource
    {
        public long SizeBytes => length;

        public IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            buffer.Span.Clear();
            if (offset < header.Length)
                header.AsSpan((int)offset, Math.Min(buffer.Length, header.Length - (int)offset)).CopyTo(buffer.Span);
            return default;
        }

        public void Dispose() { }
    }

    private sealed class OnePart(byte[] bytes) : IImageParts, IParentImages
    {
        public ValueTask<IDiskSource?> OpenAsync(string image, string name, CancellationToken cancellationToken) =>
            new(new BoundedDiskSource(bytes));

        public ValueTask<IDiskSource?> OpenAsync(ParentReference parent, CancellationToken cancellationToken) =>
            new(new BoundedDiskSource(bytes));
    }
}
