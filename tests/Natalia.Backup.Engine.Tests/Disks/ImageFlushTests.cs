using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks;

public sealed class ImageFlushTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(5, ErrorIds.DestinationWriteFailed, "stable storage")]
    [InlineData(28, ErrorIds.DestinationFull, "no room")]
    [InlineData(122, ErrorIds.DestinationFull, "quota")]
    public async Task An_image_that_cannot_be_flushed_gets_no_name_and_is_not_flushed_again(int code, string id,
        string words)
    {
        File.WriteAllText(_folder["disk.raw"], "the one before");
        int flushes = 0;
        using (var target = new RawDiskTarget(_folder["disk.raw"], overwrite: true)
        {
            FlushFile = _ =>
        {
            flushes++;
            throw new IOException("It could not be brought to stable storage.", SystemCode.Of(code));
        }
        })
        {
            await target.BeginAsync(100_000, None);
            await target.WriteAsync(0, new byte[100_000], None);
            NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => target.CompleteAsync(None));
            Assert.Equal((id, _folder["disk.raw"]), (error.ErrorId, error.Target));
            Assert.Contains(words, error.Message);
            await Assert.ThrowsAsync<InvalidOperationException>(() => target.CompleteAsync(None));
        }
        Assert.Equal(1, flushes);
        Assert.Equal(["disk.raw"], _folder.Files);
        Assert.Equal("the one before", File.ReadAllText(_folder["disk.raw"]));
    }

    [Fact]
    public async Task An_image_whose_name_cannot_be_flushed_is_not_told_to_be_made()
    {
        using (var target = new RawDiskTarget(_folder["disk.raw"])
        {
            FlushFolder = folder => throw new FolderNotFlushedException($"The names in '{folder}'.", 5),
        })
        {
            await target.BeginAsync(100_000, None);
            NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => target.CompleteAsync(None));
            Assert.Equal(ErrorIds.DestinationWriteFailed, error.ErrorId);
            Assert.Contains("power failure", error.Message);
        }
        Assert.Equal(["disk.raw"], _folder.Files);
    }
}
