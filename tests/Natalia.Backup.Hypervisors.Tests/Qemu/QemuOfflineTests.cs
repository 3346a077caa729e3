using System.Net.Sockets;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu;
using Natalia.Backup.Hypervisors.Qemu.Live;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>A VM that is switched off, with a raw and a qcow2 disk: read, and its disks replaced.</summary>
public sealed class QemuOfflineTests : IDisposable
{
    private readonly TemporaryFolder _root = new();
    private readonly byte[] _content = RepositoryFixture.Disk(1 << 20, 4);
    private readonly Machine _machine;
    private readonly QemuHypervisor _hypervisor;

    public QemuOfflineTests()
    {
        _machine = new Machine
        {
            Folder = Directory.CreateDirectory(_root["vm"]).FullName,
            Id = Guid.NewGuid().ToString(),
            Name = "natalia-off",
            MonitorSocket = "qmp.sock",
            MemoryBytes = 64L << 20,
            Firmware = Firmware.Uefi,
            Nvram = "variables.fd",
            Disks =
            [
                new MachineDisk("data", "data.qcow2", DiskRole.Data, ImageFormat.Qcow2),
                new MachineDisk("other", "other.raw", DiskRole.System, ImageFormat.Raw),
            ],
        };
        _machine.Write();
        File.WriteAllBytes(_root["vm/other.raw"], _content);
        File.WriteAllBytes(_root["vm/variables.fd"], RepositoryFixture.Disk(4096, 8));
        _hypervisor = QemuHypervisor.Open(_root.Path);
    }

    public void Dispose()
    {
        _hypervisor.Dispose();
        _root.Dispose();
    }

    [QemuFact]
    public async Task A_qcow2_disk_is_read_and_told_why_nothing_counts_its_changes()
    {
        Convert();
        ApplianceDescription vm = await FindAsync();
        Assert.Equal(_content.Length, vm.Disks[0].SizeBytes);
        await using IFrozenDisks frozen = await FreezeAsync(vm, "data", "other");
        foreach (string disk in new[] { "data", "other" })
        {
            var source = (IChangeTrackingSource)frozen.GetDisk(disk);
            byte[] read = new byte[source.SizeBytes];
            await source.ReadAsync(0, read, default);
            Assert.Equal(_content, read);
            Assert.False(source.IsTracked);
            Assert.Contains("switched off", (await source.GetChangedExtentsAsync("token", default)).Reason,
                StringComparison.Ordinal);
        }
        Assert.Empty(await frozen.SealAsync(default));

        ApplianceAttachment variables =
            Assert.Single(await ((IFrozenAttachments)frozen).ReadAttachmentsAsync(default));
        Assert.Equal(("variables.fd", AttachmentKind.UefiVariables), (variables.Name, variables.Kind));
        Assert.Equal(RepositoryFixture.Disk(4096, 8), variables.Content.ToArray());
        Assert.Equal(4096, Assert.Single(await _hypervisor.Require<IAttachmentSource>("attachments")
            .FindAttachmentsAsync(vm, default)).SizeBytes);
    }

    [QemuFact]
    public async Task What_may_be_in_the_images_of_a_vm_that_is_switched_off_is_told()
    {
        Convert();
        ApplianceDescription vm = await FindAsync();
        IUnreachableLeftovers unreachable = _hypervisor.Require<IUnreachableLeftovers>("leftovers");
        Assert.Empty(await unreachable.FindUnreachableAsync(vm, default));
        var note = new BackupNote
        {
            RunId = new string('a', 32),
            RepositoryId = new string('b', 32),
            HistoryId = new string('c', 32),
            CreatedUtc = new DateTime(2026, 11, 1, 0, 0, 0, DateTimeKind.Utc),
            Disks = ["data"],
        };
        note.Write(_machine);
        Leftover left = Assert.Single(await unreachable.FindUnreachableAsync(vm, default));
        Assert.Equal((note.RepositoryId, note.HistoryId, note.CreatedUtc),
            (left.RepositoryId, left.HistoryId, left.CreatedUtc));
        // Bitmaps of a raw image end with the VM's process.
        (_machine with { Disks = [_machine.Disks[1]] }).Write();
        Assert.Empty(await unreachable.FindUnreachableAsync(vm, default));
    }

    /// <summary>As disks of Hyper-V and of VMware come to a folder of QEMU; written by qemu-img.</summary>
    [QemuTheory]
    [InlineData("vhdx", "subformat=dynamic", "data.vhdx", "")]
    [InlineData("vhdx", "subformat=fixed", "data.vhdx", "")]
    [InlineData("vhdx", "subformat=dynamic", "data", ", \"format\": \"vhdx\"")]
    [InlineData("vpc", "subformat=dynamic,force_size=on", "data.vhd", "")]
    [InlineData("vpc", "subformat=fixed,force_size=on", "data.vhd", ", \"format\": \"vhd\"")]
    [InlineData("vmdk", "subformat=monolithicSparse", "data.vmdk", "")]
    [InlineData("vmdk", "subformat=monolithicFlat", "data.vmdk", "")]
    [InlineData("vmdk", "subformat=streamOptimized", "data.vmdk", "")]
    [InlineData("vmdk", "subformat=streamOptimized", "data", ", \"format\": \"vmdk\"")]
    public async Task A_disk_in_an_image_of_another_hypervisor_is_read(string format, string options, string file,
        string stated)
    {
        Run("qemu-img", "convert", "-f", "raw", "-O", format, "-o", options, _root["vm/other.raw"],
            _root["vm/" + file]);
        File.WriteAllText(_root["vm/vm.json"], $$"""
            { "id": "{{_machine.Id}}", "name": "natalia-off", "monitorSocket": "qmp.sock",
              "disks": [ { "id": "data", "path": "{{file}}"{{stated}} } ] }
            """);
        ApplianceDescription vm = await FindAsync();
        Assert.Equal(_content.Length, vm.Disks[0].SizeBytes);
        Assert.Equal(_content, await ReadAsync("data"));
        await using IFrozenDisks frozen = await FreezeAsync(vm, "data");
        var source = (IChangeTrackingSource)frozen.GetDisk("data");
        Assert.Contains("switched off", (await source.GetChangedExtentsAsync("token", default)).Reason,
            StringComparison.Ordinal);
        Assert.Equal(Consistency.Crash, frozen.Consistency);
        Assert.Contains("neither a raw nor a qcow2", (await Assert.ThrowsAsync<NataliaException>(() => _hypervisor
            .Require<IPowerControl>("power").StartAsync(vm, default))).Message, StringComparison.Ordinal);
    }

    /// <summary>As VMware exports a VM; it is read where it lies, and nothing is unpacked.</summary>
    [QemuFact]
    public async Task The_disk_of_an_exported_ova_is_read()
    {
        string image = _root["natalia-disk1.vmdk"];
        Run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized",
            _root["vm/other.raw"], image);
        OvaPackage.Make(_root["exported.ova"], _content.Length, image);
        File.Delete(image);
        File.Delete(_root["vm/vm.json"]);
        File.Delete(_root["vm/other.raw"]);
        ApplianceDescription vm = await FindAsync();
        string disk = Assert.Single(vm.Disks).DiskId;
        Assert.Equal(_content, await ReadAsync(disk));
        Assert.Equal(["exported.ova"], Directory.GetFiles(_root.Path).Select(Path.GetFileName));
    }

    [QemuTheory]
    [InlineData("data")]
    [InlineData("other")]
    public async Task A_disk_is_replaced_when_the_new_one_is_whole_and_not_before(string disk)
    {
        Convert();
        ApplianceDescription vm = await FindAsync();
        IDiskReplacer replacer = _hypervisor.Require<IDiskReplacer>("replacing");
        byte[] fresh = RepositoryFixture.Disk(_content.Length, 9);
        // As a killed process leaves it.
        File.WriteAllBytes(Path.Combine(Directory.CreateDirectory(_root["vm/.natalia"]).FullName, "replace-data.raw"),
            new byte[10]);
        await Assert.ThrowsAsync<IOException>(() => replacer.ReplaceDiskAsync(vm, disk, fresh.Length,
            async (target, stop) =>
            {
                await target.BeginAsync(fresh.Length, stop);
                await target.WriteAsync(0, fresh, stop);
                throw new IOException("the source is gone");
            }, default));
        Assert.Equal(_content, await ReadAsync(disk));
        // As whoever starts the VM with its group's rights needs it.
        string image = _root["vm/" + (disk == "data" ? "data.qcow2" : "other.raw")];
        const UnixFileMode Rights = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(image, Rights);

        ApplianceDescription made = await replacer.ReplaceDiskAsync(vm, disk, fresh.Length, async (target, stop) =>
        {
            await target.BeginAsync(fresh.Length, stop);
            await target.WriteAsync(0, fresh, stop);
            if (disk == "data")
                Assert.Equal(ErrorIds.DiskInUse, (await Assert.ThrowsAsync<NataliaException>(() =>
                    replacer.ReplaceDiskAsync(vm, disk, 1, (_, _) => Task.CompletedTask, default))).ErrorId);
            await target.CompleteAsync(stop);
            Assert.Equal(disk == "data" ? _content : fresh, await ReadAsync(disk));
        }, default);
        Assert.Equal(vm.ApplianceId, made.ApplianceId);
        Assert.Equal(fresh, await ReadAsync(disk));
        if (!OperatingSystem.IsWindows()) Assert.Equal(Rights, File.GetUnixFileMode(image));
        Assert.DoesNotContain(Directory.EnumerateFiles(_machine.Folder, "*", SearchOption.AllDirectories),
            f => Path.GetFileName(f) is not ("vm.json" or "data.qcow2" or "other.raw" or "variables.fd"
                or "replace.lock"));
    }

    [QemuFact]
    public async Task A_folder_that_takes_nothing_is_not_told_as_a_disk_in_use()
    {
        Convert();
        File.WriteAllText(_root["vm/.natalia"], "in the way of the folder of that name");
        ApplianceDescription vm = await FindAsync();
        Assert.Equal(ErrorIds.DestinationWriteFailed, (await Assert.ThrowsAsync<NataliaException>(
            () => _hypervisor.Require<IDiskReplacer>("replacing").ReplaceDiskAsync(vm, "data", _content.Length,
                (_, _) => Task.CompletedTask, default))).ErrorId);
        Assert.Equal(_content, await ReadAsync("data"));
    }

    [QemuFact]
    public async Task A_vm_that_is_switched_on_keeps_its_disk()
    {
        Convert();
        // A name that is more than a word to QEMU.
        Machine bios = _machine with { Name = "natalia=off, on", Firmware = Firmware.Bios, Nvram = null };
        bios.Write();
        ApplianceDescription vm = await FindAsync();
        IDiskReplacer replacer = _hypervisor.Require<IDiskReplacer>("replacing");
        foreach (string disk in new[] { "data", "other" })
        {
            // Somebody switches it on while the new disk is written.
            try
            {
                NataliaException refused = await Assert.ThrowsAsync<NataliaException>(
                    () => replacer.ReplaceDiskAsync(vm, disk, _content.Length, async (target, stop) =>
                    {
                        await target.BeginAsync(_content.Length, stop);
                        await _hypervisor.Require<IPowerControl>("power").StartAsync(vm, stop);
                        await target.CompleteAsync(stop);
                    }, default));
                Assert.Equal(ErrorIds.ApplianceRunning, refused.ErrorId);
                Assert.Equal(ErrorIds.ApplianceRunning, (await Assert.ThrowsAsync<NataliaException>(
                    () => replacer.ReplaceDiskAsync(vm, disk, 1, (_, _) => Task.CompletedTask, default))).ErrorId);
            }
            finally
            {
                await MachineProcess.StopAsync(_machine.Id!, _machine.Monitor, default);
            }
            Assert.Equal(_content, await ReadAsync(disk));
        }
    }

    /// <summary>As where its monitor refuses this user: what cannot be asked may run.</summary>
    [QemuFact]
    public async Task A_vm_that_cannot_be_asked_whether_it_runs_is_not_taken_for_one_that_is_switched_off()
    {
        Convert();
        ApplianceDescription vm = await FindAsync();
        Assert.Equal("stopped", vm.State!.Power);
        using var monitor = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        monitor.Bind(new UnixDomainSocketEndPoint(_machine.Monitor!));
        Assert.Equal("unknown", (await FindAsync()).State!.Power);
        Assert.Equal(ErrorIds.ServerUnreachable, (await Assert.ThrowsAsync<NataliaException>(
            () => FreezeAsync(vm, "data"))).ErrorId);
        Assert.Equal(ErrorIds.ServerUnreachable, (await Assert.ThrowsAsync<NataliaException>(
            () => _hypervisor.Require<IDiskReplacer>("replacing").ReplaceDiskAsync(vm, "data", _content.Length,
                (_, _) => Task.CompletedTask, default))).ErrorId);

        // A socket that nobody listens behind is what one that ended has left.
        monitor.Dispose();
        File.Delete(_machine.Monitor!);
        using var ended = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        ended.Bind(new UnixDomainSocketEndPoint(_machine.Monitor!));
        Assert.Equal("stopped", (await FindAsync()).State!.Power);
        Assert.Equal(_content, await ReadAsync("data"));
    }

    private void Convert() =>
        Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", _root["vm/other.raw"], _root["vm/data.qcow2"]);

    private static void Run(string program, params string[] arguments)
    {
        (int code, _, string errors) = QemuPrograms.RunAsync(QemuPrograms.Find(program)!, arguments,
            TimeSpan.FromMinutes(1), default).GetAwaiter().GetResult();
        Assert.True(code == 0, errors);
    }

    private async Task<ApplianceDescription> FindAsync() => (await _hypervisor.GetAppliancesAsync(default)).Single();

    private async Task<byte[]> ReadAsync(string disk)
    {
        await using IFrozenDisks frozen = await FreezeAsync(await FindAsync(), disk);
        byte[] read = new byte[frozen.GetDisk(disk).SizeBytes];
        await frozen.GetDisk(disk).ReadAsync(0, read, default);
        return read;
    }

    private Task<IFrozenDisks> FreezeAsync(ApplianceDescription vm, params string[] disks) =>
        _hypervisor.Require<IImageSource>("images").FreezeAsync(vm, new FreezeRequest
        {
            DiskIds = disks,
            RunId = Guid.NewGuid().ToString("N"),
            RepositoryId = new string('1', 32),
            HistoryId = new string('2', 32),
        }, default);
}
