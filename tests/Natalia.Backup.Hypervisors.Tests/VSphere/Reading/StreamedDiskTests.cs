using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks.Vmdk;
using Natalia.Backup.Hypervisors.VSphere.Reading;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Reading;

public sealed class StreamedDiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _disk = RepositoryFixture.Disk(9 * 1024 * 1024 + 512, 7);
    private int _beginnings;

    [Fact]
    public async Task It_gives_any_ascending_parts_and_zeros_where_no_grain_is()
    {
        byte[] image = await ImageAsync();
        using StreamedDisk disk = Open(image);
        await disk.OpenAsync(default);
        var random = new Random(3);
        for (int at = random.Next(5000); at < _disk.Length;)
        {
            byte[] part = new byte[Math.Min(random.Next(1, 700_000), _disk.Length - at)];
            random.NextBytes(part);
            await disk.ReadAsync(at, part, default);
            Assert.True(part.AsSpan().SequenceEqual(_disk.AsSpan(at, part.Length)), $"at {at}");
            at += part.Length + random.Next(100_000);
        }
        Assert.Equal(1, _beginnings);
    }

    [Fact]
    public async Task Going_back_begins_the_stream_anew_and_not_for_ever()
    {
        using StreamedDisk disk = Open(await ImageAsync());
        byte[] part = new byte[1000];
        for (int i = 0; i < 3; i++)
        {
            await disk.ReadAsync(5_000_000, part, default);
            Assert.True(part.AsSpan().SequenceEqual(_disk.AsSpan(5_000_000, 1000)));
            await disk.ReadAsync(i == 2 ? 6_000_000 : 8_000_000, part, default);
        }
        Assert.Equal(3, _beginnings);
        await AssertFailsAsync(disk, 0);
    }

    [Fact]
    public async Task A_stream_that_breaks_off_anywhere_is_never_read_as_zeros()
    {
        byte[] image = await ImageAsync();
        var random = new Random(5);
        for (int i = 0; i < 40; i++)
        {
            byte[] cut = image.AsSpan(0, i == 0 ? image.Length - 512 : random.Next(image.Length - 1)).ToArray();
            using StreamedDisk disk = Open(cut);
            var whole = new byte[_disk.Length];
            NataliaException e = await Assert.ThrowsAsync<NataliaException>(
                () => disk.ReadAsync(0, whole, default).AsTask());
            Assert.Equal(ErrorIds.DiskReadFailed, e.ErrorId);
        }
    }

    [Fact]
    public async Task An_image_of_another_size_is_refused()
    {
        byte[] image = await ImageAsync();
        using var disk = new StreamedDisk(_ => Task.FromResult<Stream>(new MemoryStream(image)), "scsi0:0",
            _disk.Length + 512);

        Assert.Contains("of a disk of", (await AssertFailsAsync(disk, 0)).Message);
    }

    [Fact]
    public async Task A_read_that_was_cancelled_does_not_leave_the_stream_in_the_middle_of_something()
    {
        byte[] image = await ImageAsync();
        using var stop = new CancellationTokenSource();
        using var disk = new StreamedDisk(_ => Task.FromResult<Stream>(new StoppingStream(image, ++_beginnings == 1
            ? stop : null)), "scsi0:0", _disk.Length);
        byte[] part = new byte[4_000_000];
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => disk.ReadAsync(0, part, stop.Token).AsTask());

        await disk.ReadAsync(0, part, default);

        Assert.True(part.AsSpan().SequenceEqual(_disk.AsSpan(0, part.Length)));
    }

    public void Dispose() => _folder.Dispose();

    private StreamedDisk Open(byte[] image) => new(_ =>
    {
        _beginnings++;
        return Task.FromResult<Stream>(new MemoryStream(image));
    }, "scsi0:0", _disk.Length);

    private static async Task<NataliaException> AssertFailsAsync(StreamedDisk disk, long offset)
    {
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(
            () => disk.ReadAsync(offset, new byte[16], default).AsTask());
        Assert.Equal(ErrorIds.DiskReadFailed, e.ErrorId);
        return e;
    }

    private async Task<byte[]> ImageAsync()
    {
        string path = Path.Combine(_folder.Path, "disk.vmdk");
        using (var target = new VmdkStreamTarget(path, overwrite: true))
        {
            await target.BeginAsync(_disk.Length, default);
            await target.WriteAsync(0, _disk, default);
            await target.CompleteAsync(default);
        }
        return File.ReadAllBytes(path);
    }

    /// <summary>Cancels after a while, in the middle of a grain.</summary>
    private sealed class StoppingStream(byte[] bytes, CancellationTokenSource? stop) : MemoryStream(bytes)
    {
        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        {
            if (Position > 200_000) stop?.Cancel();
            cancellationToken.ThrowIfCancellationRequested();
            return Task.FromResult(Read(buffer, offset, Math.Min(count, 333)));
        }
    }
}
