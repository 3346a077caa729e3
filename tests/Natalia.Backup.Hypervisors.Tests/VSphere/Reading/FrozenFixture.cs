using System.Xml.Linq;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Reading;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Reading;

/// <summary>
/// A VM of a simulated server with two disks that are tracked, whose content the test knows, and snapshots of it that
/// the test takes itself.
/// </summary>
internal sealed class FrozenFixture : IAsyncDisposable
{
    private readonly VimReference _machine;
    private readonly List<byte[]> _contents;

    private FrozenFixture(SimulatedVSphere server, SimulatedVSphere.Machine machine, VimService vim,
        SkippingClock clock, List<byte[]> contents)
    {
        (Server, Machine, Vim, Clock, _contents) = (server, machine, vim, clock, contents);
        _machine = new VimReference("VirtualMachine", machine.Id);
        Readings = new DiskReadings(vim);
    }

    internal SimulatedVSphere Server { get; }

    internal SimulatedVSphere.Machine Machine { get; }

    internal VimService Vim { get; }

    internal SkippingClock Clock { get; }

    internal DiskReadings Readings { get; }

    /// <summary>What the disks hold now.</summary>
    internal IReadOnlyList<byte[]> Contents => _contents;

    internal static async Task<FrozenFixture> StartAsync(bool isCenter = true, params string[] more)
    {
        SimulatedVSphere server = SimulatedVSphere.Start([.. isCenter ? Array.Empty<string>() : ["-esx"],
            "-disk-mib", "6", "-second-disk-mib", "2", "-areas", "3", .. more]);
        var clock = new SkippingClock();
        VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server, clock: clock), default);
        SimulatedVSphere.Machine machine = server.Appliance;
        var contents = machine.Disks.Select(d => new byte[d.Size]).ToList();
        var fixture = new FrozenFixture(server, machine, vim, clock, contents);
        for (int i = 0; i < contents.Count; i++)
            fixture.Write(i, 70_000, RepositoryFixture.Disk(1_000_000, 40 + i));
        await fixture.TrackAsync();
        return fixture;
    }

    internal void Write(int disk, long offset, byte[] bytes)
    {
        Server.Write(Machine, disk, offset, bytes);
        bytes.CopyTo(_contents[disk], offset);
    }

    /// <summary>Takes a snapshot, and says what is in it.</summary>
    internal async Task<FrozenMachine> FreezeAsync()
    {
        IReadOnlyList<XElement> task = await Vim.CallAsync(_machine, "CreateSnapshotEx_Task",
            [VimXml.Element("name", "test"), VimXml.Element("memory", false)], default);
        XElement? result = await Vim.WaitTaskAsync(VimXml.ReferenceOf(task[0])!,
            new VimTaskOptions(TimeSpan.FromMinutes(1), "a snapshot"), default);
        VimReference snapshot = VimXml.ReferenceOf(result)!;
        VimObject found = (await Vim.GetPropertiesAsync([snapshot], ["config.hardware.device"], default))[0];
        VimObject host = (await Vim.GetPropertiesAsync([_machine], ["runtime.host"], default))[0];
        var disks = new List<FrozenVirtualDisk>();
        foreach (XElement device in found["config.hardware.device"]!.Elements()
            .Where(d => VimXml.TypeOf(d) == "VirtualDisk"))
        {
            XElement backing = device.Member("backing")!;
            int below = 0;
            for (XElement? parent = backing.Member("parent"); parent is not null; parent = parent.Member("parent"))
                below++;
            disks.Add(new FrozenVirtualDisk
            {
                DiskId = $"scsi0:{device.Text("unitNumber")}",
                Key = (int)device.Number("key")!.Value,
                SizeBytes = device.Number("capacityInBytes")!.Value,
                FileName = backing.Text("fileName")!,
                Datastore = VimXml.ReferenceOf(backing.Member("datastore")),
                Uuid = backing.Text("uuid"),
                ChangeId = backing.Text("changeId"),
                BackingType = VimXml.TypeOf(backing)!,
                ParentCount = below,
            });
        }
        return new FrozenMachine
        {
            Machine = _machine,
            Name = Machine.Name,
            Snapshot = snapshot,
            Host = host.ReferenceAt("runtime.host"),
            DatacenterPath = Vim.IsVirtualCenter ? "DC0" : null,
            Disks = disks,
        };
    }

    internal async Task ReleaseAsync(FrozenMachine frozen)
    {
        IReadOnlyList<XElement> task = await Vim.CallAsync(frozen.Snapshot, "RemoveSnapshot_Task",
            [VimXml.Element("removeChildren", false)], default);
        await Vim.WaitTaskAsync(VimXml.ReferenceOf(task[0])!,
            new VimTaskOptions(TimeSpan.FromMinutes(1), "a removal"), default);
    }

    /// <summary>Reads a disk as a backup does.</summary>
    internal static async Task<byte[]> ReadAsync(IDiskSource disk)
    {
        byte[] read = new byte[disk.SizeBytes];
        await foreach (Extent extent in disk.GetAllocatedExtentsAsync(default))
            await disk.ReadAsync(extent.Offset, read.AsMemory((int)extent.Offset, (int)extent.Length), default);
        return read;
    }

    public async ValueTask DisposeAsync()
    {
        Vim.Dispose();
        Server.Dispose();
        await Task.CompletedTask;
    }

    private async Task TrackAsync()
    {
        IReadOnlyList<XElement> task = await Vim.CallAsync(_machine, "ReconfigVM_Task",
            [VimXml.Group("spec", VimXml.Element("changeTrackingEnabled", true))], default);
        await Vim.WaitTaskAsync(VimXml.ReferenceOf(task[0])!,
            new VimTaskOptions(TimeSpan.FromMinutes(1), "tracking"), default);
        await ReleaseAsync(await FreezeAsync());
    }
}
