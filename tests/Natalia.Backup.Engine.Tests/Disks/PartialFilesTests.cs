using Natalia.Backup.Engine.Disks;
using Xunit;

namespace Natalia.Backup.Engine.Tests.Disks;

public sealed class PartialFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_a_killed_export_left_is_removed_and_told()
    {
        File.WriteAllBytes(_folder["disk.raw.0123abcd.partial"], new byte[10]);

        PartialFile left = Assert.Single(PartialFiles.RemoveStale(_folder.FullPath, image => image == "disk.raw"));
        Assert.Equal((_folder["disk.raw.0123abcd.partial"], true), (left.Path, left.IsRemoved));
        Assert.Empty(_folder.Files);
        Assert.Empty(PartialFiles.RemoveStale(_folder.FullPath, _ => true));
    }

    [Fact]
    public async Task What_an_export_writes_now_stays()
    {
        using var target = new RawDiskTarget(_folder["disk.raw"]);
        await target.BeginAsync(100_000, default);
        await target.WriteAsync(0, new byte[] { 1, 2, 3 }, default);

        Assert.Empty(PartialFiles.RemoveStale(_folder.FullPath, _ => true));
        await target.CompleteAsync(default);
        Assert.Equal(["disk.raw"], _folder.Files);
        Assert.Equal(100_000, new FileInfo(_folder["disk.raw"]).Length);
    }

    [Theory]
    [InlineData("other.raw.0123abcd.partial")]
    [InlineData("disk.raw.0123abcg.partial")]
    [InlineData("disk.raw.0123abcd9.partial")]
    [InlineData("disk.raw.partial")]
    [InlineData("disk.raw.0123abcd.partial.old")]
    [InlineData("0123abcd.partial")]
    public void What_is_of_another_name_stays(string name)
    {
        File.WriteAllBytes(_folder[name], new byte[10]);
        Assert.Empty(PartialFiles.RemoveStale(_folder.FullPath, image => image == "disk.raw"));
        Assert.Equal([name], _folder.Files);
    }

    [Fact]
    public void A_file_of_this_moment_is_nobodys_leftover_yet()
    {
        File.WriteAllBytes(_folder["disk.raw.0123abcd.partial"], []);
        Assert.Empty(PartialFiles.RemoveStale(_folder.FullPath, _ => true));
        Assert.Single(_folder.Files);
    }

    [Fact]
    public void A_folder_that_is_not_there_holds_none() => Assert.Empty(PartialFiles.RemoveStale(_folder["nix"], _ => true));
}
