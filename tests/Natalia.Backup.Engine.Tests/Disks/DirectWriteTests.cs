#if NET // Under Mono memory has no fixed place, and everything goes through the page cache.
using System.Diagnostics;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks;

/// <summary>
/// Long runs of an image are written past the page cache; the bytes are the same as by the other way, and so are the
/// errors. On an ext4 of its own where the user may mount one.
/// </summary>
public sealed class DirectWriteTests : IDisposable
{
    private const int MiB = 1 << 20, Unit = 64 * 1024;
    private readonly TemporaryFolder _folder = new();
    private bool _mounted;

    private static CancellationToken None => CancellationToken.None;

    public void Dispose()
    {
        if (_mounted) Run("umount", "-l", _folder["mount"]);
        _folder.Dispose();
    }

    [Fact]
    public async Task Long_runs_go_past_the_page_cache_and_all_else_through_it()
    {
        Mount(64);
        const int size = 20 * MiB + 777;
        Memory<byte> bytes = PageMemory.Allocate(size);
        new Random(3).NextBytes(bytes.Span);
        bytes.Span.Slice(9 * MiB, Unit).Clear();
        bytes.Span.Slice(9 * MiB + 2 * Unit, Unit).Clear();
        string path = Path.Combine(Place, "disk.raw");
        using var target = new RawDiskTarget(path);
        await target.BeginAsync(size, None);

        // One MiB, a hole, one unit, a hole, and the rest but for its odd end.
        await target.WriteAsync(8 * MiB, bytes.Slice(8 * MiB), None);
        const long direct = MiB + 11 * MiB - 3 * Unit + 777 / 4096 * 4096;
        Assert.Equal(_mounted ? direct : target.DirectBytes, target.DirectBytes);
        // Too short.
        await target.WriteAsync(0, bytes.Slice(0, MiB / 2), None);
        // Odd in the disk, then odd in memory only.
        await target.WriteAsync(MiB / 2, bytes.Slice(MiB / 2, 2 * MiB + 1), None);
        await target.WriteAsync(MiB / 2 * 5 + 1, bytes.Slice(MiB / 2 * 5 + 1, 3 * MiB - 1), None);
        await target.WriteAsync(MiB / 2 * 11, bytes.Slice(MiB / 2 * 11, MiB / 2 * 5).ToArray(), None);
        await target.CompleteAsync(None);

        if (_mounted) Assert.InRange(target.DirectBytes, direct + 2 * MiB, direct + 2 * MiB + 5 * MiB / 2);
        Assert.True(bytes.Span.SequenceEqual(File.ReadAllBytes(path)));
    }

    [Fact]
    public async Task Threads_beside_each_other_do_not_disturb_each_other()
    {
        Mount(64);
        const int size = 40 * MiB + 5;
        Memory<byte> bytes = PageMemory.Allocate(size);
        new Random(4).NextBytes(bytes.Span);
        string path = Path.Combine(Place, "disk.raw");
        using (var target = new RawDiskTarget(path))
        {
            await target.BeginAsync(size, None);
            int[] edges = [0, 3 * MiB, 3 * MiB + 4096, 9 * MiB + 1, 9 * MiB + 4097, 20 * MiB, 30 * MiB + Unit, size];
            await Parallel.ForEachAsync(Enumerable.Range(0, edges.Length - 1).Reverse(),
                new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, stop) =>
                await target.WriteAsync(edges[i], bytes[edges[i]..edges[i + 1]], stop));
            await target.CompleteAsync(None);
        }
        Assert.True(bytes.Span.SequenceEqual(File.ReadAllBytes(path)));
    }

    [Fact]
    public async Task A_full_disk_is_told_as_such_and_nothing_stays()
    {
        if (!Mount(16)) return;
        string path = Path.Combine(_folder["mount"], "disk.raw");
        Memory<byte> bytes = PageMemory.Allocate(40 * MiB);
        new Random(5).NextBytes(bytes.Span);
        using (var target = new RawDiskTarget(path))
        {
            await target.BeginAsync(bytes.Length, None);
            await target.WriteAsync(0, bytes.Slice(0, MiB), None);
            Assert.Equal(MiB, target.DirectBytes);
            NataliaException full =
                await Assert.ThrowsAsync<NataliaException>(
                    async () => await target.WriteAsync(MiB, bytes.Slice(MiB), None));
            Assert.Equal(ErrorIds.DestinationFull, full.ErrorId);
        }
        Assert.DoesNotContain(Directory.EnumerateFiles(_folder["mount"]),
            f => f.Contains("disk.raw", StringComparison.Ordinal));
    }

    /// <summary>
    /// Where no ext4 can be mounted, whatever file system the test's folder is on; there only the bytes are looked at.
    /// </summary>
    private string Place => _mounted ? _folder["mount"] : _folder.Path;

    /// <summary>An ext4 of some MiB below the test's folder.</summary>
    private bool Mount(int mebibytes)
    {
        using (FileStream image = File.Create(_folder["image"])) image.SetLength((long)mebibytes * MiB);
        Directory.CreateDirectory(_folder["mount"]);
        _mounted = OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess
            && Run("mkfs.ext4", "-q", _folder["image"]) == 0
            && Run("mount", "-o", "loop", _folder["image"], _folder["mount"]) == 0;
        return _mounted;
    }

    private static int Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, string.Join(" ", arguments))
        {
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        using Process process = Process.Start(start)!;
        process.WaitForExit();
        return process.ExitCode;
    }
}
#endif
