using System.Net;
using System.Net.Sockets;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Mounts;

namespace Natalia.Backup.Cmdlets.Tests.Mounts;

/// <summary>Several disks of a point, where each is found, and what is counted of its clients.</summary>
public sealed class MountedDiskTests
{
    [Fact]
    public async Task Each_disk_is_served_for_itself_and_what_its_clients_do_is_counted()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        IReadOnlyList<PointMount> mounts = room.Mount("-Writable");
        Assert.Equal([("scsi0", MountRoom.SystemDisk.Length), ("scsi1", MountRoom.DataDisk.Length)],
            mounts.Select(m => (m.DiskId, (int)m.SizeBytes)));
        Assert.Equal(2, mounts.Select(m => m.MountId).Distinct().Count());
        Assert.Equal(2, mounts.Select(m => m.Uri).Distinct().Count());
        using (MountClient one = await MountClient.OpenAsync(mounts[1]))
        using (MountClient two = await MountClient.OpenAsync(mounts[1]))
        {
            Assert.Equal(MountRoom.DataDisk[10_000..15_000], one.Read(10_000, 5000));
            Assert.Equal(MountRoom.DataDisk[..300_000], two.Read(0, 300_000));
            Assert.Equal(0u, two.Write(8192, new byte[4096]));
            Assert.Equal([(0, 0L, 0L), (2, 305_000L, 4096L)],
                room.Served().Select(m => (m.Connections, m.BytesRead, m.BytesWritten)));
        }
        PointMount after = await room.UntilAsync(mounts[1].MountId, m => m.Connections == 0);
        Assert.Equal((305_000L, 4096L), (after.BytesRead, after.BytesWritten));

        Assert.Empty(room.Run($"Dismount-NataliaRestorePoint {mounts[1].MountId}").ErrorIds);
        Assert.Equal("scsi0", Assert.Single(room.Served()).DiskId);
        using (MountClient left = await MountClient.OpenAsync(mounts[0]))
            Assert.Equal(MountRoom.SystemDisk, left.Read(0, MountRoom.SystemDisk.Length));
        room.DismountAll();
        await room.AssertNothingServedAsync();
    }

    [Fact]
    public async Task Only_the_disks_that_are_named_are_served_and_each_once()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        Assert.Equal("scsi1", Assert.Single(room.Mount("-DiskId SCSI1, scsi1")).DiskId);
        Assert.Equal([ErrorIds.DiskNotFound], room.TryMount("-DiskId scsi0, scsi7").ErrorIds);
        Assert.Single(room.Served());
    }

    [Fact]
    public async Task The_first_disk_has_the_port_and_each_further_one_the_next()
    {
        using MountRoom room = await MountRoom.MakeAsync();
        int port = 0;
        IReadOnlyList<PointMount> mounts = [];
        // The one behind a free port may be taken, and others take some meanwhile.
        for (int tries = 0; tries < 50 && mounts.Count < 2; tries++)
        {
            room.DismountAll();
            port = FreePort();
            mounts = MountRoom.Mounts(room.TryMount($"-Port {port}"));
        }
        Assert.Equal([("scsi0", port), ("scsi1", port + 1)], mounts.Select(m => (m.DiskId, new Uri(m.Uri).Port)));
        using (MountClient client = await MountClient.OpenAsync(mounts[1]))
            Assert.Equal(MountRoom.DataDisk[..512], client.Read(0, 512));

        Assert.Equal([ErrorIds.AddressNotAvailable], room.TryMount($"-DiskId scsi0 -Port {port}").ErrorIds);
        Assert.Equal((2, 2), (room.Served().Count, await room.CountMarksAsync()));
        room.DismountAll();
        EngineSession.Result last = room.TryMount("-Port 65535");
        Assert.Equal(ErrorIds.AddressNotAvailable, Assert.Single(last.ErrorIds));
        Assert.Contains("no port behind 65535", last.Errors[0].Exception.Message, StringComparison.Ordinal);
        Assert.Equal("scsi0", Assert.Single(room.Served()).DiskId);
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
