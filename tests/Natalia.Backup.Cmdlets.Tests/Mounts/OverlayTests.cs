using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Mounts;

namespace Natalia.Backup.Cmdlets.Tests.Mounts;

/// <summary>What clients write over a point: where it goes, how far, and how it becomes an image.</summary>
public sealed class OverlayTests
{
    private static readonly byte[] s_written = [.. Enumerable.Repeat((byte)9, 70_000)];

    private static byte[] Over(byte[] disk, int offset, byte[] written)
    {
        byte[] now = [.. disk];
        written.CopyTo(now, offset);
        return now;
    }

    private static async Task WriteAsync(PointMount mount, int offset, byte[] bytes)
    {
        using MountClient client = await MountClient.OpenAsync(mount);
        Assert.Equal(0u, client.Write(offset, bytes));
        Assert.Equal(0u, client.Flush());
        Assert.Equal(bytes, client.Read(offset, bytes.Length));
    }

    private static async Task AssertImageAsync(byte[] expected, string file)
    {
        byte[] bytes = await File.ReadAllBytesAsync(file);
        Assert.True(expected.AsSpan().SequenceEqual(bytes), file);
    }

    [Fact]
    public async Task A_kept_overlay_becomes_an_image_with_its_point_and_is_gone_on_with()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        string overlay = room.File("try.overlay");
        string how = $"-DiskId scsi1 -Writable -KeepOverlay -OverlayPath '{overlay}'";
        PointMount mount = Assert.Single(room.Mount(how));
        Assert.Equal((true, overlay), (mount.IsWritable, mount.OverlayPath));
        await WriteAsync(mount, 100_000, s_written);
        PointMount now = Assert.Single(room.Served());
        Assert.Equal(s_written.Length, now.BytesWritten);
        Assert.InRange(now.OverlayBytes!.Value, s_written.Length, 1 << 20);
        Assert.Equal([ErrorIds.OverlayInUse],
            room.Export("early.raw", $"-DiskId scsi1 -Overlay '{overlay}'").ErrorIds);
        room.DismountAll();

        byte[] expected = Over(MountRoom.DataDisk, 100_000, s_written);
        Assert.Empty(room.Export("with.raw", $"-DiskId scsi1 -Overlay '{overlay}'").ErrorIds);
        await AssertImageAsync(expected, room.File("with.raw"));
        Assert.Empty(room.Export("without.raw", "-DiskId scsi1").ErrorIds);
        await AssertImageAsync(MountRoom.DataDisk, room.File("without.raw"));

        mount = Assert.Single(room.Mount(how));
        using (MountClient client = await MountClient.OpenAsync(mount))
            Assert.Equal(expected, client.Read(0, expected.Length));
        byte[] more = [1, 2, 3];
        await WriteAsync(mount, 1_000_001, more);
        room.DismountAll();
        Assert.Empty(room.Export("with.raw", $"-DiskId scsi1 -Overlay '{overlay}' -Force").ErrorIds);
        await AssertImageAsync(Over(expected, 1_000_001, more), room.File("with.raw"));
        // What was refused has left nothing.
        Assert.Equal(["try.overlay", "with.raw", "without.raw"], room.Files);
    }

    [Fact]
    public async Task An_overlay_that_does_not_fit_is_refused_and_no_image_is_left()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        string overlay = room.File("try.overlay");
        string how = $"-Writable -KeepOverlay -OverlayPath '{overlay}'";
        await WriteAsync(Assert.Single(room.Mount($"-DiskId scsi1 {how}")), 0, s_written);
        room.DismountAll();
        byte[] before = await File.ReadAllBytesAsync(overlay);

        Assert.Equal([ErrorIds.OverlayMismatch],
            room.Export("i.raw", $"-DiskId scsi0 -Overlay '{overlay}'").ErrorIds);
        Assert.Equal([ErrorIds.OverlayFailed],
            room.Export("i.raw", $"-DiskId scsi1 -Overlay '{room.File("none")}'").ErrorIds);
        Assert.Equal([ErrorIds.CapabilityMissing],
            room.Export("i.raw", $"-DiskId scsi1 -Overlay '{overlay}' -AllowLoss").ErrorIds);
        Assert.Equal([ErrorIds.OverlayMismatch], room.TryMount($"-DiskId scsi0 {how}").ErrorIds);
        await room.AssertNothingServedAsync();
        Assert.Equal(["try.overlay"], room.Files);
        Assert.Equal(before, await File.ReadAllBytesAsync(overlay));
    }

    [Theory]
    [InlineData("Get-NataliaMount | Dismount-NataliaRestorePoint")]
    [InlineData("Disconnect-NataliaRepository nas")]
    public async Task However_a_mount_ends_what_its_kept_overlay_lost_is_told(string end)
    {
        using MountRoom room = await MountRoom.MakeAsync();
        room.Mount("-DiskId scsi1");
        string overlay = room.File("lost.overlay");
        Assert.Empty(room.Run("Add-LostMount $args[0]", overlay).ErrorIds);
        Assert.Equal(2, room.Served().Count);

        EngineSession.Result ended = room.Run(end);
        Assert.Empty(ended.ErrorIds);
        Assert.Contains($"The overlay '{overlay}' could not be made durable", Assert.Single(ended.Warnings),
            StringComparison.Ordinal);
        Assert.Empty(room.Served());
    }

    [Fact]
    public async Task Without_being_kept_an_overlay_goes_with_its_mount()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        PointMount mount = Assert.Single(room.Mount($"-DiskId scsi1 -Writable -OverlayPath '{room.File()}'"));
        Assert.Null(mount.OverlayPath);
        await WriteAsync(mount, 5, s_written);
        room.DismountAll();
        Assert.Empty(room.Files);
        PointMount next = Assert.Single(room.Mount($"-DiskId scsi1 -Writable -OverlayPath '{room.File()}'"));
        using MountClient client = await MountClient.OpenAsync(next);
        Assert.Equal(MountRoom.DataDisk, client.Read(0, MountRoom.DataDisk.Length));
    }

    [Fact]
    public async Task In_a_folder_each_disk_has_a_kept_overlay_of_its_own_that_is_found_again()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        string how = $"-Writable -KeepOverlay -OverlayPath '{room.File()}'";
        IReadOnlyList<PointMount> mounts = room.Mount(how);
        Assert.Equal([.. mounts.Select(m => room.File($"natalia-paris-{m.DiskId}-{m.RestorePointId}.overlay"))],
            mounts.Select(m => m.OverlayPath));
        await WriteAsync(mounts[0], 0, s_written);
        room.DismountAll();
        mounts = room.Mount(how);
        using (MountClient system = await MountClient.OpenAsync(mounts[0]))
            Assert.Equal(s_written, system.Read(0, s_written.Length));
        using (MountClient data = await MountClient.OpenAsync(mounts[1]))
            Assert.Equal(MountRoom.DataDisk, data.Read(0, MountRoom.DataDisk.Length));
        Assert.Equal(2, room.Files.Length);
    }

    [Fact]
    public async Task At_its_limit_an_overlay_says_that_the_disk_is_full_and_keeps_what_it_has()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        string overlay = room.File("try.overlay");
        PointMount mount = Assert.Single(room.Mount(
            $"-DiskId scsi1 -Writable -KeepOverlay -OverlayPath '{overlay}' -OverlayLimit 1MB"));
        byte[] block = [.. s_written.Take(65536)], expected = [.. MountRoom.DataDisk];
        using (MountClient client = await MountClient.OpenAsync(mount))
        {
            // Two of the 16 blocks are not for clients.
            for (int i = 0; i < 14; i++)
            {
                Assert.Equal(0u, client.Write(i * 65536, block));
                block.CopyTo(expected, i * 65536);
            }
            Assert.Equal(MountClient.NoSpace, client.Write(20 * 65536, block));
            Assert.Equal(0u, client.Flush());
            Assert.Equal(expected, client.Read(0, expected.Length));
        }
        Assert.Equal(1 << 20, Assert.Single(room.Served()).OverlayBytes);
        room.DismountAll();
        Assert.InRange(new FileInfo(overlay).Length, 14 * 65536, 1 << 20);
        Assert.Empty(room.Export("image.raw", $"-DiskId scsi1 -Overlay '{overlay}'").ErrorIds);
        await AssertImageAsync(expected, room.File("image.raw"));
    }
}
