using System.Diagnostics;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks;

public sealed class RawDiskTargetTests : IDisposable
{
    private const int Block = 64 * 1024;
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Block + 1)]
    [InlineData(5 * Block - 7)]
    public async Task What_was_written_is_what_the_file_holds(int size)
    {
        byte[] bytes = RandomBytes(size);
        using var target = new RawDiskTarget(_folder["disk.raw"]);

        await target.BeginAsync(size, None);
        if (size > 0) await target.WriteAsync(0, bytes, None);
        await target.CompleteAsync(None);

        Assert.Equal(bytes, File.ReadAllBytes(_folder["disk.raw"]));
        Assert.Equal(["disk.raw"], _folder.Files);
    }

    [Fact]
    public async Task Writes_come_in_any_order_from_many_threads_at_odd_offsets()
    {
        byte[] bytes = RandomBytes(3_000_001);
        for (int at = 500_000; at < 900_000; at++) bytes[at] = 0;
        using var target = new RawDiskTarget(_folder["disk.raw"]);

        await target.BeginAsync(bytes.Length, None);
        const int step = 99_991;
        await Parallel.ForEachAsync(Enumerable.Range(0, bytes.Length / step + 1).Reverse(),
            new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, stop) =>
            await target.WriteAsync(i * step, bytes.AsMemory(i * step, Math.Min(step, bytes.Length - i * step)), stop));
        await target.CompleteAsync(None);

        Assert.True(bytes.AsSpan().SequenceEqual(File.ReadAllBytes(_folder["disk.raw"])));
    }

    [Fact]
    [WineCannotTell("whether a file is sparse is the business of the file system below Wine")]
    public async Task Zeros_take_no_room_neither_unwritten_nor_written()
    {
        const long size = 200 << 20;
        using var target = new RawDiskTarget(_folder["disk.raw"]);
        await target.BeginAsync(size, None);
        await target.WriteAsync(10 << 20, RandomBytes(Block), None);
        await target.WriteAsync(50 << 20, new byte[8 << 20], None);
        byte[] mixed = new byte[4 << 20];
        mixed[2 << 20] = 1;
        await target.WriteAsync(100 << 20, mixed, None);
        await target.CompleteAsync(None);

        using RawDiskSource disk = RawDiskSource.Open(_folder["disk.raw"]);
        var extents = new List<Extent>();
        await foreach (Extent extent in disk.GetAllocatedExtentsAsync(None)) extents.Add(extent);

        Assert.Equal(size, disk.SizeBytes);
        if (OperatingSystem.IsLinux())
            Assert.Equal([new Extent(10 << 20, Block), new Extent(102 << 20, Block)], extents);
        byte[] one = new byte[1];
        await disk.ReadAsync(102 << 20, one, None);
        Assert.Equal(1, one[0]);
    }

    [Fact]
    public async Task Nothing_bears_the_final_name_before_completion()
    {
        using var target = new RawDiskTarget(_folder["disk.raw"]);
        await target.BeginAsync(Block, None);
        await target.WriteAsync(0, RandomBytes(Block), None);

        string partial = Assert.Single(_folder.Files);
        Assert.Matches(@"^disk\.raw\.[0-9a-f]{16}\.partial$", partial);

        await target.CompleteAsync(None);
        Assert.Equal(["disk.raw"], _folder.Files);
    }

    [Fact]
    public async Task Disposing_without_completion_leaves_nothing()
    {
        using (var target = new RawDiskTarget(_folder["disk.raw"]))
        {
            await target.BeginAsync(Block, None);
            await target.WriteAsync(0, RandomBytes(Block), None);
        }
        new RawDiskTarget(_folder["never begun.raw"]).Dispose();

        Assert.Empty(_folder.Files);
    }

    [Fact]
    public async Task A_file_that_is_there_stays()
    {
        File.WriteAllText(_folder["disk.raw"], "mine");
        using var target = new RawDiskTarget(_folder["disk.raw"]);

        await Fails(ErrorIds.DestinationExists, () => target.BeginAsync(10, None));

        Assert.Equal("mine", File.ReadAllText(_folder["disk.raw"]));
        Assert.Equal(["disk.raw"], _folder.Files);
    }

    [Fact]
    public async Task A_file_that_appears_meanwhile_stays_too()
    {
        using (var target = new RawDiskTarget(_folder["disk.raw"]))
        {
            await target.BeginAsync(10, None);
            File.WriteAllText(_folder["disk.raw"], "mine");

            await Fails(ErrorIds.DestinationExists, () => target.CompleteAsync(None));
        }
        Assert.Equal("mine", File.ReadAllText(_folder["disk.raw"]));
        Assert.Equal(["disk.raw"], _folder.Files);
    }

    [Fact]
    public async Task Overwriting_keeps_the_old_file_until_the_new_one_is_whole()
    {
        File.WriteAllText(_folder["disk.raw"], "old");
        using (var given = new RawDiskTarget(_folder["disk.raw"], overwrite: true))
        {
            await given.BeginAsync(10, None);
            await given.WriteAsync(0, RandomBytes(10), None);
        }
        Assert.Equal("old", File.ReadAllText(_folder["disk.raw"]));

        using var target = new RawDiskTarget(_folder["disk.raw"], overwrite: true);
        await target.BeginAsync(10, None);
        await target.WriteAsync(0, RandomBytes(10), None);
        Assert.Equal("old", File.ReadAllText(_folder["disk.raw"]));
        await target.CompleteAsync(None);

        Assert.Equal(RandomBytes(10), File.ReadAllBytes(_folder["disk.raw"]));
        Assert.Equal(["disk.raw"], _folder.Files);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_folder_is_never_the_destination(bool overwrite)
    {
        Directory.CreateDirectory(_folder["disk"]);
        using var target = new RawDiskTarget(_folder["disk"], overwrite);

        await Fails(ErrorIds.DestinationExists, () => target.BeginAsync(10, None));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder["disk"]));
    }

    [Fact]
    public async Task A_link_is_replaced_and_not_followed()
    {
        if (OperatingSystem.IsWindows()) return; // Links need a right there.
        File.WriteAllText(_folder["other"], "other");
        File.CreateSymbolicLink(_folder["disk.raw"], _folder["other"]);
        using var target = new RawDiskTarget(_folder["disk.raw"], overwrite: true);

        await target.BeginAsync(10, None);
        await target.CompleteAsync(None);

        Assert.Equal("other", File.ReadAllText(_folder["other"]));
        Assert.Equal(new byte[10], File.ReadAllBytes(_folder["disk.raw"]));
    }

    [Fact]
    public async Task A_missing_folder_is_named()
    {
        using var target = new RawDiskTarget(Path.Combine(_folder["none"], "disk.raw"));

        NataliaException e = await Fails(ErrorIds.DestinationWriteFailed, () => target.BeginAsync(10, None));
        Assert.Contains(_folder["none"], e.Message);
    }

    [Fact]
    public async Task A_full_disk_is_told_as_such_and_the_image_cannot_be_completed()
    {
        if (!OperatingSystem.IsLinux() || !Directory.Exists("/dev/shm") || !Environment.IsPrivilegedProcess) return;
        string mount = Directory.CreateDirectory(_folder["small"]).FullName;
        if (Run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount) != 0) return;
        try
        {
            using (var target = new RawDiskTarget(Path.Combine(mount, "disk.raw")))
            {
                await target.BeginAsync(16 << 20, None);
                await Fails(ErrorIds.DestinationFull,
                    async () => await target.WriteAsync(0, RandomBytes(4 << 20), None));
                await Assert.ThrowsAsync<InvalidOperationException>(() => target.CompleteAsync(None));
            }
            Assert.Empty(Directory.EnumerateFileSystemEntries(mount));
        }
        finally
        {
            Run("umount", mount);
        }
    }

    [Fact]
    public async Task A_size_that_the_file_system_cannot_hold_is_refused_at_the_start()
    {
        using var target = new RawDiskTarget(_folder["disk.raw"]);

        await Fails(ErrorIds.DestinationWriteFailed, () => target.BeginAsync(long.MaxValue - 1, None));
        target.Dispose();
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public async Task A_write_outside_the_disk_is_a_defect_of_the_caller()
    {
        using var target = new RawDiskTarget(_folder["disk.raw"]);
        await target.BeginAsync(10, None);

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            async () => await target.WriteAsync(5, new byte[6], None));
    }

    [Fact]
    public async Task A_disk_holds_secrets_so_only_its_owner_may_read_the_image()
    {
        if (OperatingSystem.IsWindows()) return;
        using var target = new RawDiskTarget(_folder["disk.raw"]);
        await target.BeginAsync(10, None);
        await target.CompleteAsync(None);

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["disk.raw"]));
    }

    [Fact]
    public async Task A_name_as_long_as_names_may_be_still_has_room_for_its_partial_file()
    {
        string name = new string('ж', 120) + ".raw";
        using var target = new RawDiskTarget(_folder[name]);
        await target.BeginAsync(10, None);
        await target.CompleteAsync(None);

        Assert.Equal([name], _folder.Files);
    }

    private static async Task<NataliaException> Fails(string errorId, Func<Task> action)
    {
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(action);
        Assert.Equal(errorId, e.ErrorId);
        return e;
    }

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program,
            string.Join(" ", arguments))
        { RedirectStandardError = true, UseShellExecute = false })!;
        process.WaitForExit();
        return process.ExitCode;
    }

    private static byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }
}
