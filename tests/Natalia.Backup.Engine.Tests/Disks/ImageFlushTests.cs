using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Vmdk;
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_flat_vmdk_whose_name_cannot_be_flushed_is_there_as_a_whole(bool isText)
    {
        Action<string> fail = folder => throw new FolderNotFlushedException($"The names in '{folder}'.", 5);
        Action<string> flush = _ => { };
        using (var target = new VmdkFlatTarget(_folder["disk.vmdk"])
        {
            FlushFolder = isText ? (flush, fail) : (fail, flush),
        })
        {
            await target.BeginAsync(102_400, None);
            NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => target.CompleteAsync(None));
            Assert.Equal(ErrorIds.DestinationWriteFailed, error.ErrorId);
            Assert.Contains("power failure", error.Message);
        }
        Assert.Equal(["disk-flat.vmdk", "disk.vmdk"], _folder.Files.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task An_older_text_never_tells_of_the_bytes_of_a_new_flat_vmdk()
    {
        File.WriteAllText(_folder["disk.vmdk"], "the text before");
        File.WriteAllText(_folder["disk-flat.vmdk"], "the bytes before");
        bool wasThere = true;
        using (var target = new VmdkFlatTarget(_folder["disk.vmdk"], overwrite: true)
        {
            // What a kill at that moment would leave.
            FlushFolder = (_ => wasThere = File.Exists(_folder["disk.vmdk"]), _ => { }),
        })
        {
            await target.BeginAsync(102_400, None);
            await target.CompleteAsync(None);
        }
        Assert.False(wasThere);
        Assert.Equal(["disk-flat.vmdk", "disk.vmdk"], _folder.Files.Order(StringComparer.Ordinal));
        Assert.Contains("disk-flat.vmdk", File.ReadAllText(_folder["disk.vmdk"]));
    }

    [Fact]
    public async Task A_flat_vmdk_that_cannot_be_flushed_leaves_the_older_one_whole()
    {
        File.WriteAllText(_folder["disk.vmdk"], "the text before");
        File.WriteAllText(_folder["disk-flat.vmdk"], "the bytes before");
        using (var target = new VmdkFlatTarget(_folder["disk.vmdk"], overwrite: true)
        {
            FlushFile = _ => throw new IOException("It could not be brought to stable storage.", SystemCode.Of(5)),
        })
        {
            await target.BeginAsync(102_400, None);
            await Assert.ThrowsAsync<NataliaException>(() => target.CompleteAsync(None));
        }
        Assert.Equal("the text before", File.ReadAllText(_folder["disk.vmdk"]));
        Assert.Equal("the bytes before", File.ReadAllText(_folder["disk-flat.vmdk"]));
        Assert.Equal(2, _folder.Files.Count());
    }

    /// <summary>A kill came between the text and the bytes.</summary>
    [Theory]
    [InlineData(102_400, true)]
    [InlineData(204_800, false)]
    public async Task A_text_that_a_killed_export_put_aside_comes_back_where_it_fits(int bytes, bool fits)
    {
        using (var older = new VmdkFlatTarget(_folder["disk.vmdk"]))
        {
            await older.BeginAsync(102_400, None);
            await older.CompleteAsync(None);
        }
        string text = File.ReadAllText(_folder["disk.vmdk"]);
        File.Move(_folder["disk.vmdk"], _folder["disk.vmdk.was"]);
        File.WriteAllBytes(_folder["disk-flat.vmdk"], new byte[bytes]);
        using (var target = new VmdkFlatTarget(_folder["disk.vmdk"], overwrite: true))
        {
            await target.BeginAsync(51_200, None);
        }
        Assert.Equal(["disk-flat.vmdk", fits ? "disk.vmdk" : "disk.vmdk.was"], _folder.Files);
        Assert.Equal(text, File.ReadAllText(_folder[fits ? "disk.vmdk" : "disk.vmdk.was"]));
    }
}
