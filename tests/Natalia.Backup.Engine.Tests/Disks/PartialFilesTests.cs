using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks;

public sealed class PartialFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_a_killed_export_left_is_removed_and_told()
    {
        string stale = await LeaveAsync();

        PartialFile left = Assert.Single(await RemoveAsync(image => image == "disk.raw"));
        Assert.Equal((stale, true), (left.Path, left.IsRemoved));
        Assert.Empty(_folder.Files);
        Assert.Empty(await RemoveAsync(_ => true));
    }

    [Theory]
    [InlineData(DiskFormat.VmdkFlat, 2)]
    [InlineData(DiskFormat.VmdkStreamOptimized, 1)]
    public async Task An_export_that_is_killed_before_it_wrote_anything_leaves_no_file_that_is_not_known(
        DiskFormat format, int files)
    {
        using (IDiskTarget target = DiskImages.Create(format, _folder["disk.vmdk"], overwrite: false))
        {
            await target.BeginAsync(100_000, default);
            // What a kill leaves, under other marks: these are held.
            foreach (string path in _folder.Files.Select(f => _folder[f]).ToList())
            {
                int mark = path.Length - "89abcdef.partial".Length;
                using FileStream left = File.Create(path.Substring(0, mark) + "89abcdef.partial");
                left.SetLength(new FileInfo(path).Length);
            }
            Assert.Equal(files, (await RemoveAsync(_ => true)).Count(f => f.IsRemoved));
            Assert.Equal(files, _folder.Files.Count());
        }
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public async Task What_an_export_writes_now_stays()
    {
        using var target = new RawDiskTarget(_folder["disk.raw"]);
        await target.BeginAsync(100_000, default);
        await target.WriteAsync(0, new byte[] { 1, 2, 3 }, default);

        Assert.Empty(await RemoveAsync(_ => true));
        await target.CompleteAsync(default);
        Assert.Equal(["disk.raw"], _folder.Files);
        Assert.Equal(100_000, new FileInfo(_folder["disk.raw"]).Length);
    }

    [Fact]
    public async Task An_export_that_has_let_go_of_its_file_may_still_give_it_the_name_of_the_image()
    {
        string complete = await LeaveAsync();

        Task<IReadOnlyList<PartialFile>> removing = PartialFiles.RemoveStaleAsync(_folder.Path, _ => true, _clock,
            default);
        Assert.False(removing.IsCompleted);
        File.Move(complete, _folder["disk.raw"]);
        _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Empty(await removing);
        Assert.Equal(["disk.raw"], _folder.Files);
    }

    [Fact]
    public async Task What_another_machine_may_be_writing_into_a_folder_of_this_one_is_told_and_stays()
    {
        if (Natalia.Backup.Engine.Files.Platform.IsWindows) return; // There a hold through a share is seen.
        string own = await LeaveAsync();
        int mark = own.Length - "0123456789abcdef.partial".Length;
        string others = own.Substring(0, mark) + (own.Substring(mark, 8) == "01234567" ? "11234567" : "01234567")
            + own.Substring(mark + 8);
        File.Move(own, others);

        PartialFile left = Assert.Single(await RemoveAsync(_ => true));
        Assert.Equal((others, false), (left.Path, left.IsRemoved));
        Assert.True(File.Exists(others));
    }

    [Theory]
    [InlineData("other.raw.0123456789abcdef.partial")]
    [InlineData("disk.raw.0123456789abcdeg.partial")]
    [InlineData("disk.raw.0123456789abcdef9.partial")]
    [InlineData("disk.raw.partial")]
    [InlineData("disk.raw.0123456789abcdef.partial.old")]
    [InlineData("0123456789abcdef.partial")]
    public async Task What_is_of_another_name_stays(string name)
    {
        File.WriteAllBytes(_folder[name], new byte[10]);
        Assert.Empty(await RemoveAsync(image => image == "disk.raw"));
        Assert.Equal([name], _folder.Files);
    }

    [Fact]
    public async Task A_file_of_this_moment_is_nobodys_leftover_yet()
    {
        File.WriteAllBytes(await LeaveAsync(), []);
        Assert.Empty(await RemoveAsync(_ => true));
        Assert.Single(_folder.Files);
    }

#if NET8_0_OR_GREATER
    [Fact]
    public async Task A_link_is_none_and_what_it_leads_to_stays()
    {
        if (OperatingSystem.IsWindows()) return; // Making links there takes a right that tests do not have.
        string link = await LeaveAsync();
        File.Move(link, _folder["precious.raw"]);
        File.CreateSymbolicLink(link, _folder["precious.raw"]);

        Assert.Empty(await RemoveAsync(_ => true));
        Assert.Equal(2, _folder.Files.Count());
        Assert.Equal(10, new FileInfo(_folder["precious.raw"]).Length);
    }
#endif

    [Fact]
    public async Task A_folder_that_is_not_there_holds_none() =>
        Assert.Empty(await PartialFiles.RemoveStaleAsync(_folder["nix"], _ => true, _clock, default));

    private async Task<IReadOnlyList<PartialFile>> RemoveAsync(Func<string, bool> isWanted)
    {
        Task<IReadOnlyList<PartialFile>> removing = PartialFiles.RemoveStaleAsync(_folder.Path, isWanted, _clock,
            default);
        _clock.Advance(TimeSpan.FromSeconds(1));
        return await removing;
    }

    /// <summary>Makes what a killed export to <c>disk.raw</c> leaves, and says where.</summary>
    private async Task<string> LeaveAsync()
    {
        string path;
        using (var target = new RawDiskTarget(_folder["disk.raw"]))
        {
            await target.BeginAsync(10, default);
            path = _folder[Assert.Single(_folder.Files)];
        }
        File.WriteAllBytes(path, new byte[10]);
        return path;
    }
}
