using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu;
using Natalia.Backup.Hypervisors.Qemu.Live;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// Backups of a real guest that writes all the while, held against QEMU's own reading of each frozen state.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class LiveBackupTests(LiveGuest live) : IClassFixture<LiveGuest>
{
    [QemuFact]
    public async Task Commands_run_in_a_real_guest()
    {
        using IHypervisor hypervisor = await ConnectAsync();
        await using IGuest guest = await hypervisor.Require<IGuestChannel>("guest channel")
            .OpenAsync(live.Machine.Id!, null, TimeSpan.FromMinutes(3), default);

        GuestCommandResult said = await guest.RunAsync(new GuestCommand
        {
            Arguments = ["/bin/sh", "-c", "cat; echo wrong >&2; exit 3"],
            Input = "grüße",
        }, default);

        Assert.Equal((3, "grüße", "wrong\n"), (said.ExitCode, said.Output, said.Error));
    }

    [QemuFact]
    public async Task A_full_and_three_incrementals_of_a_guest_that_writes_are_bit_exact()
    {
        using IHypervisor hypervisor = await ConnectAsync();
        await using (await hypervisor.Require<IGuestChannel>("guest channel")
            .OpenAsync(live.Machine.Id!, null, TimeSpan.FromMinutes(3), default))
        {
            // It has booted, and writes.
        }
        ApplianceDescription vm = Assert.Single(await hypervisor.GetAppliancesAsync(default));
        Assert.Equal("running", vm.State?.Power);
        IImageSource images = hypervisor.Require<IImageSource>("images");
        var tokens = new Dictionary<string, string>();
        long full = 0;
        for (int run = 0; run < 4; run++)
        {
            var how = new FreezeRequest
            {
                DiskIds = ["files", "blocks"],
                Quiescing = Quiescing.Require,
                RunId = Guid.NewGuid().ToString("N"),
                RepositoryId = new string('1', 32),
                HistoryId = new string('2', 32),
                KnownTokens = new Dictionary<string, string>(tokens),
            };
            await using IFrozenDisks frozen = await images.FreezeAsync(vm, how, default);
            Assert.Equal((Consistency.FileSystem, null), (frozen.Consistency, frozen.ConsistencyReason));
            Assert.Empty(frozen.Warnings);
            long read = 0;
            foreach (string disk in how.DiskIds)
                read += await RestoreAsync(frozen.GetDisk(disk), disk, tokens.GetValueOrDefault(disk));
            BackupNote note = BackupNote.GetAll(live.Machine).Single(n => n.RunId == how.RunId);
            for (int i = 0; i < how.DiskIds.Count; i++)
            {
                string export = $"nbd+unix:///{note.NameOf(i)}?socket={BackupNote.ServerSocket(live.Machine)}";
                Assert.Equal((0, "Images are identical.\n"), LiveGuest.Run("qemu-img", "compare", "-f", "raw",
                    "-F", "raw", export, live[how.DiskIds[i] + ".restored"]));
            }
            tokens = new Dictionary<string, string>(await frozen.SealAsync(default));
            await frozen.PublishedAsync(default);
            if (run == 0) full = read;
            else Assert.InRange(read, 1, full * 4);
        }
        Assert.Equal(["state"], (await images.FindLeftoversAsync(vm, default)).Select(l => l.Id.Split('/')[0]));
    }

    private Task<IHypervisor> ConnectAsync()
    {
        _ = live.Machine;
        return Task.FromResult<IHypervisor>(QemuHypervisor.Open(live.VMs));
    }

    /// <summary>Brings the restored copy of a disk up to the frozen state, as a backup would.</summary>
    private async Task<long> RestoreAsync(IDiskSource disk, string diskId, string? token)
    {
        await using FileStream restored = File.Open(live[diskId + ".restored"], FileMode.OpenOrCreate);
        restored.SetLength(disk.SizeBytes);
        IReadOnlyList<Extent> extents;
        if (token is null) extents = await disk.GetAllocatedExtentsAsync(default).ToListAsync();
        else
        {
            ChangedExtents changed = await ((IChangeTrackingSource)disk).GetChangedExtentsAsync(token, default);
            Assert.Null(changed.Reason);
            extents = changed.Extents!;
        }
        long read = 0;
        foreach (Extent extent in extents)
        {
            byte[] bytes = new byte[extent.Length];
            await disk.ReadAsync(extent.Offset, bytes, default);
            restored.Position = extent.Offset;
            await restored.WriteAsync(bytes);
            read += extent.Length;
        }
        return read;
    }
}
