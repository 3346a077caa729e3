using System.Buffers.Binary;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Vhdx;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Disks;

namespace Natalia.Backup.Engine.Tests.Disks.Vhdx;

public sealed class HostileVhdxTests
{
    private const int MiB = VhdxBuilder.MiB;

    private static readonly (int, int)[] s_places =
    [
        (0, 8), (64 * 1024, 80), (128 * 1024, 80), (192 * 1024, 80), (256 * 1024, 80), (2 * MiB, 32 * 7),
        (2 * MiB + 64 * 1024, 300), (VhdxBuilder.BatOffset, 64),
    ];

    private static CancellationToken None => CancellationToken.None;

    [Fact]
    public Task A_broken_image_is_an_error_or_a_disk() =>
        HostileImages.CheckAsync(new VhdxBuilder(4 * MiB).Write(0, Data(2 * MiB)).Build(), s_places, OpenAsync,
            seal: Seal);

    [Fact]
    public async Task A_broken_child_is_an_error_or_a_disk()
    {
        var parent = new VhdxBuilder(4 * MiB);
        byte[] below = parent.Write(MiB, Data(MiB)).Build();
        byte[] child = new VhdxBuilder(4 * MiB).WithParent(parent.DataWriteGuid, @".\base.vhdx").Write(4096, Data(8192))
            .Write(3 * MiB, Data(512)).Build();

        await HostileImages.CheckAsync(child, [.. s_places, (VhdxBuilder.BatOffset + 4096 * 8, 8)],
            async (file, stop) => await VhdxDiskSource.OpenAsync(file, new OneParent(below), stop), seal: Seal);
    }

    [Fact]
    public Task A_broken_log_is_an_error_or_a_disk()
    {
        byte[] image = new VhdxBuilder(2 * MiB).Write(0, Data(2 * MiB)).Build();
        byte[] bat = image.AsSpan(VhdxBuilder.BatOffset, 4096).ToArray();
        VhdxBuilder.PutIntoLog(image,
        [
            [(VhdxBuilder.BatOffset, bat, 0), (VhdxBuilder.BatOffset + MiB, Data(4096), 0)],
            [(VhdxBuilder.BatOffset + MiB + 8192, null, 8192)],
        ]);
        return HostileImages.CheckAsync(image,
            [(MiB, 200), (MiB + 3 * 4096, 200), (64 * 1024, 80), (128 * 1024, 80)], OpenAsync, seal: bytes =>
            {
                SealAt(bytes, MiB, 3 * 4096);
                SealAt(bytes, MiB + 3 * 4096, 4096);
                Seal(bytes);
            });
    }

    /// <summary>Each of its 4096 entries claims the whole log, so that checking them all would take 4 GiB.</summary>
    [Fact]
    public async Task A_log_of_entries_that_overlap_is_given_up_soon()
    {
        byte[] image = new VhdxBuilder(MiB).Build();
        VhdxBuilder.PutIntoLog(image, [[(VhdxBuilder.BatOffset, new byte[4096], 0)]]);
        byte[] head = image.AsSpan(MiB, 64).ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(8), MiB);
        for (int at = 0; at < MiB; at += 4096) head.CopyTo(image, MiB + at);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            VhdxDiskSource.OpenAsync(new MemoryDiskSource(image), null, None));

        Assert.Equal(ErrorIds.DiskImageInvalid, e.ErrorId);
        Assert.Contains("overlap", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    [InlineData(-512)]
    [InlineData(0)]
    [InlineData((64L << 40) + 512)]
    [InlineData(1000)]
    public async Task A_size_that_no_disk_has_is_refused(long size)
    {
        byte[] image = new VhdxBuilder(MiB).Build();
        BinaryPrimitives.WriteInt64LittleEndian(image.AsSpan(2 * MiB + 64 * 1024 + 8), size);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            VhdxDiskSource.OpenAsync(new MemoryDiskSource(image), null, None));

        Assert.Equal(ErrorIds.DiskImageInvalid, e.ErrorId);
    }

    [Fact]
    public async Task What_follows_a_failure_is_closed()
    {
        var file = new MemoryDiskSource(new byte[MiB]);

        await Assert.ThrowsAsync<NataliaException>(() => VhdxDiskSource.OpenAsync(file, null, None));

        Assert.True(file.IsDisposed);
    }

    private static async Task<IDiskSource> OpenAsync(IDiskSource file, CancellationToken cancellationToken) =>
        await VhdxDiskSource.OpenAsync(file, null, cancellationToken);

    private static void Seal(byte[] image)
    {
        SealAt(image, 64 * 1024, 4096);
        SealAt(image, 128 * 1024, 4096);
        SealAt(image, 192 * 1024, 64 * 1024);
        SealAt(image, 256 * 1024, 64 * 1024);
    }

    private static void SealAt(byte[] image, int at, int length)
    {
        byte[] part = image.AsSpan(at, length).ToArray();
        VhdxBuilder.Seal(part);
        part.CopyTo(image, at);
    }

    private static byte[] Data(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    private sealed class OneParent(byte[] image) : IParentImages
    {
        public ValueTask<IDiskSource?> OpenAsync(ParentReference parent, CancellationToken cancellationToken) =>
            new(new BoundedDiskSource(image));
    }
}
