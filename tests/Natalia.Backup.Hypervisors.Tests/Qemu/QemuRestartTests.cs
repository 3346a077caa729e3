using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>What a token is worth after the VM was switched off and on again: real QEMU.</summary>
public sealed class QemuRestartTests
{
    [QemuFact]
    public async Task A_qcow2_disk_keeps_its_bitmap_and_a_raw_one_says_why_everything_is_read()
    {
        foreach (bool isPersistent in new[] { true, false })
        {
            using var fixture = new LiveQemuFixture(isPersistent);
            using IHypervisor hypervisor = fixture.Connect();
            IImageSource images = hypervisor.Require<IImageSource>("images");
            FreezeRequest how = How();
            IReadOnlyDictionary<string, string> tokens;
            await using (IFrozenDisks frozen = await images.FreezeAsync(fixture.Vm, how, default))
            {
                tokens = await frozen.SealAsync(default);
                await frozen.PublishedAsync(default);
            }
            fixture.Restart();
            byte[] bytes = new byte[4096];
            new Random(5).NextBytes(bytes);
            fixture.Write("data", 655_360, bytes);

            await using IFrozenDisks later = await images.FreezeAsync(fixture.Vm, How() with { KnownTokens = tokens },
                default);
            var disk = (IChangeTrackingSource)later.GetDisk("data");
            ChangedExtents changed = await disk.GetChangedExtentsAsync(tokens["data"], default);
            if (isPersistent)
            {
                Extent extent = Assert.Single(changed.Extents!);
                Assert.Equal((655_360, 65_536), (extent.Offset, extent.Length));
                byte[] read = new byte[bytes.Length];
                await disk.ReadAsync(655_360, read, default);
                Assert.Equal(bytes, read);
            }
            else
            {
                Assert.Null(changed.Extents);
                Assert.Contains("started anew", changed.Reason, StringComparison.Ordinal);
            }
        }
    }

    [QemuFact]
    public async Task Uefi_variables_of_a_running_vm_are_attachments_of_its_frozen_state()
    {
        using var fixture = new LiveQemuFixture(isPersistent: false);
        using IHypervisor hypervisor = fixture.Connect();
        Machine machine = Machine.Find(Path.GetDirectoryName(fixture.Vm.Disks[0].Location)!)!;
        (machine with { Firmware = Firmware.Uefi, Nvram = "nvram.fd" }).Write();
        byte[] variables = RepositoryFixture.Disk(540_672, 3);
        string file = Path.Combine(machine.Folder, "nvram.fd");
        File.WriteAllBytes(file, variables);
        // As QEMU has it open.
        using FileStream open = new(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        await using IFrozenDisks frozen =
            await hypervisor.Require<IImageSource>("images").FreezeAsync(fixture.Vm, How(), default);
        ApplianceAttachment read = Assert.Single(await ((IFrozenAttachments)frozen).ReadAttachmentsAsync(default));

        Assert.Equal(("nvram.fd", AttachmentKind.UefiVariables), (read.Name, read.Kind));
        Assert.Equal(variables, read.Content.ToArray());
    }

    private static FreezeRequest How() => new()
    {
        DiskIds = ["data"],
        RunId = Guid.NewGuid().ToString("N"),
        RepositoryId = new string('1', 32),
        HistoryId = new string('2', 32),
    };
}
