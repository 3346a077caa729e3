using System.Diagnostics;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks;

public sealed class RawDiskSourceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65537)]
    [InlineData(3_000_001)]
    public async Task Every_byte_comes_back_whatever_the_size(int size)
    {
        byte[] bytes = RandomBytes(size);
        using RawDiskSource disk = RawDiskSource.Open(Image(bytes));

        var read = new byte[size];
        await disk.ReadAsync(0, read, None);

        Assert.Equal(size, disk.SizeBytes);
        Assert.Equal(bytes, read);
    }

    [Fact]
    public async Task Threads_read_at_their_own_offsets()
    {
        byte[] bytes = RandomBytes(4 << 20);
        using RawDiskSource disk = RawDiskSource.Open(Image(bytes));

        await Parallel.ForEachAsync(Enumerable.Range(0, 400),
            new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, stop) =>
        {
            int offset = i * 9973, length = 1 + i * 131;
            var buffer = new byte[length];
            await disk.ReadAsync(offset, buffer, stop);
            Assert.True(buffer.AsSpan().SequenceEqual(bytes.AsSpan(offset, length)));
        });
    }

    [Fact]
    public async Task Reading_allocates_nothing()
    {
        using RawDiskSource disk = RawDiskSource.Open(Image(RandomBytes(1 << 20)));
        var buffer = new byte[64 * 1024];
        await disk.ReadAsync(0, buffer, None);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            ValueTask read = disk.ReadAsync(i * 8192, buffer, None);
            Assert.True(read.IsCompletedSuccessfully);
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000);
    }

    [Fact]
    [WineCannotTell("Wine does not say which parts of a file are allocated")]
    public async Task Holes_are_left_out_and_hold_only_zeros()
    {
        const int mebibyte = 1 << 20;
        string path = _folder["sparse.raw"];
        using (FileStream file = File.Create(path))
        {
            file.SetLength(64 * mebibyte + 5);
            foreach (int at in new[] { 3, 30, 31, 60 })
            {
                file.Position = at * mebibyte;
                file.Write(RandomBytes(mebibyte));
            }
        }
        using RawDiskSource disk = RawDiskSource.Open(path);

        List<Extent> extents = await Extents(disk);

        Assert.All(extents, e => Assert.True(e.Offset >= 0 && e.Length > 0 && e.End <= disk.SizeBytes));
        Assert.All(extents.Zip(extents.Skip(1)), p => Assert.True(p.First.End < p.Second.Offset));
        Assert.All(new[] { 3, 30, 31, 60 },
            at => Assert.Contains(extents, e => e.Offset <= at * mebibyte && e.End >= (at + 1) * mebibyte));
        if (UnixFile.GetStatus(path) is not null)
            Assert.Equal([new Extent(3 * mebibyte, mebibyte), new Extent(30 * mebibyte, 2 * mebibyte),
                new Extent(60 * mebibyte, mebibyte)],
                extents);
    }

    [Fact]
    [WineCannotTell("Wine does not say which parts of a file are allocated")]
    public async Task A_file_that_is_all_hole_or_empty_has_no_extents()
    {
        using (FileStream file = File.Create(_folder["hole.raw"])) file.SetLength(100 << 20);
        using RawDiskSource hole = RawDiskSource.Open(_folder["hole.raw"]);
        using RawDiskSource empty = RawDiskSource.Open(Image([]));

        if (UnixFile.GetStatus(_folder["hole.raw"]) is not null) Assert.Empty(await Extents(hole));
        Assert.Empty(await Extents(empty));
        Assert.Equal(0, empty.SizeBytes);
    }

    [Fact]
    public void Extents_with_small_holes_between_them_become_one_and_end_with_the_disk()
    {
        Extent[] found = [new(0, 4096), new(8192, 4096), new(1_000_000, 10), new(1_000_010, 90), new(2_000_000, 4096),
            new(3_000_000, 50)];

        Assert.Equal([new Extent(0, 12288), new Extent(1_000_000, 100), new Extent(2_000_000, 1000)],
            AllocatedExtents.Coalesce(found, 2_001_000));
    }

    [Fact]
    public void Holes_are_asked_for_after_a_flush_and_not_believed_where_that_fails()
    {
        Assert.Equal([new Extent(0, 100)], AllocatedExtents.FindOnUnix(new LateFileSystem(), 1000));
        Assert.Equal([new Extent(0, 1000)],
            AllocatedExtents.FindOnUnix(new LateFileSystem { CannotFlush = true }, 1000));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(4096, 1)]
    public void A_file_without_data_that_takes_room_is_read(long allocated, int extents)
    {
        Assert.Equal(extents,
            AllocatedExtents.FindOnUnix(new LateFileSystem { HasNoData = true, AllocatedBytes = allocated }, 1000)
                .Count());
    }

    /// <summary>Shows what was not flushed as a hole, as ZFS did.</summary>
    private sealed class LateFileSystem : AllocatedExtents.IHoles
    {
        private bool _flushed;

        internal bool CannotFlush { get; init; }

        internal bool HasNoData { get; init; }

        public long? AllocatedBytes { get; init; } = 4096;

        public bool TryFlush() => _flushed = !CannotFlush;

        public long? FindData(long from) => _flushed && !HasNoData && from < 100 ? from : -1;

        public long? FindHole(long from) => Math.Max(from, 100);
    }

    [Fact]
    public void A_missing_image_is_named()
    {
        NataliaException e = Assert.Throws<NataliaException>(() => RawDiskSource.Open(_folder["none.raw"]));

        Assert.Equal(ErrorIds.DiskNotFound, e.ErrorId);
        Assert.Contains("none.raw", e.Message);
    }

    [Fact]
    public void A_folder_is_no_image()
    {
        Assert.Equal(ErrorIds.DiskFormatNotSupported,
            Assert.Throws<NataliaException>(() => RawDiskSource.Open(_folder.Path)).ErrorId);
    }

    [Fact]
    public void A_pipe_is_refused_at_once_and_not_waited_for()
    {
        if (!OperatingSystem.IsLinux()) return;
        using (Process made = Process.Start("mkfifo", [_folder["pipe"]])) made.WaitForExit();

        Assert.Equal(ErrorIds.DiskFormatNotSupported,
            Assert.Throws<NataliaException>(() => RawDiskSource.Open(_folder["pipe"])).ErrorId);
    }

    [Fact]
    public void An_image_that_somebody_writes_is_in_use()
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsWindows()) return;
        string path = Image(RandomBytes(1000));
        using (new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            NataliaException e = Assert.Throws<NataliaException>(() => RawDiskSource.Open(path));

            Assert.Equal(ErrorIds.DiskInUse, e.ErrorId);
            Assert.Equal(NataliaErrorKind.ResourceBusy, e.Kind);
        }
        RawDiskSource.Open(path).Dispose();
    }

    [Fact]
    public void A_reader_that_shares_an_image_with_nobody_is_not_called_a_writer()
    {
        // Elsewhere readers cannot keep each other out.
        if (!OperatingSystem.IsWindows()) return;
        string path = Image(RandomBytes(1000));
        using var reader = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.None);
        NataliaException e = Assert.Throws<NataliaException>(() => RawDiskSource.Open(path));

        Assert.Equal(ErrorIds.DiskInUse, e.ErrorId);
        Assert.Contains("writes it or lets nobody else read it", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_that_may_not_be_read_says_so()
    {
        if (OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess) return;
        string path = Image(RandomBytes(1000));
        File.SetUnixFileMode(path, UnixFileMode.None);

        Assert.Equal(ErrorIds.DiskAccessDenied,
            Assert.Throws<NataliaException>(() => RawDiskSource.Open(path)).ErrorId);
    }

    [Fact]
    public void An_untouched_image_is_unchanged_and_a_second_reader_does_not_count()
    {
        string path = Image(RandomBytes(1000));
        using RawDiskSource disk = RawDiskSource.Open(path);
        using RawDiskSource second = RawDiskSource.Open(path);
        File.ReadAllBytes(path);

        disk.VerifyUnchanged();
    }

    public static TheoryData<string> Changes =>
        ["one byte", "same bytes and time put back", "longer", "shorter", "deleted", "replaced"];

    [Theory]
    [MemberData(nameof(Changes))]
    public void A_changed_image_is_found(string change)
    {
        if (!OperatingSystem.IsLinux()) return; // Elsewhere the open file forbids it.
        byte[] bytes = RandomBytes(1000);
        string path = Image(bytes);
        using RawDiskSource disk = RawDiskSource.Open(path);

        DateTime time = File.GetLastWriteTimeUtc(path);
        switch (change)
        {
            case "one byte": Overwrite(path, f => f.WriteByte(1)); break;
            case "same bytes and time put back":
                Overwrite(path, f => f.Write(bytes));
                File.SetLastWriteTimeUtc(path, time); break;
            case "longer": Overwrite(path, f => f.SetLength(1001)); break;
            case "shorter": Overwrite(path, f => f.SetLength(999)); break;
            case "deleted": File.Delete(path); break;
            case "replaced": File.WriteAllBytes(path + "2", bytes); File.Move(path + "2", path, overwrite: true); break;
        }

        Assert.Equal(ErrorIds.DiskChangedWhileRead, Assert.Throws<NataliaException>(disk.VerifyUnchanged).ErrorId);
    }

    [Fact]
    public async Task An_image_that_shrinks_under_the_reader_is_not_read_as_zeros()
    {
        if (!OperatingSystem.IsLinux()) return;
        string path = Image(RandomBytes(100_000));
        using RawDiskSource disk = RawDiskSource.Open(path);
        Overwrite(path, f => f.SetLength(50_000));

        NataliaException e =
            await Assert.ThrowsAsync<NataliaException>(async () => await disk.ReadAsync(0, new byte[100_000], None));
        Assert.Equal(ErrorIds.DiskChangedWhileRead, e.ErrorId);
    }

    [Fact]
    public async Task A_cancelled_read_stops()
    {
        using RawDiskSource disk = RawDiskSource.Open(Image(RandomBytes(1000)));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await disk.ReadAsync(0, new byte[10], new CancellationToken(true)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (Extent _ in disk.GetAllocatedExtentsAsync(new CancellationToken(true))) { }
        });
    }

    [Fact]
    public void Names_with_wildcards_and_other_scripts_are_just_names()
    {
        string path = _folder["данные [1] 盘.raw"];
        File.WriteAllBytes(path, new byte[10]);

        using RawDiskSource disk = RawDiskSource.Open(path);
        disk.VerifyUnchanged();
        Assert.Equal(10, disk.SizeBytes);
    }

    private static async Task<List<Extent>> Extents(IDiskSource disk)
    {
        var extents = new List<Extent>();
        await foreach (Extent extent in disk.GetAllocatedExtentsAsync(None)) extents.Add(extent);
        return extents;
    }

    // A program that knows nothing of the framework's advisory locks.
    private static void Overwrite(string path, Action<FileStream> write)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        write(file);
    }

    private string Image(byte[] bytes)
    {
        string path = _folder[$"{Guid.NewGuid():N}.raw"];
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private static byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }
}
