using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Tests.VSphere.Reading;
using Natalia.Backup.Hypervisors.VSphere;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.VSphere;

/// <summary>A VM of a simulated server, made anew: the server itself serves a whole suite.</summary>
internal sealed class VSphereFixture : HypervisorFixture
{
    private const int Size = 1 << 20;

    private readonly SimulatedVSphere _server;
    private readonly SimulatedVSphere.Machine _machine;

    internal VSphereFixture(SimulatedVSphere server)
    {
        (_server, _machine) = (server, server.Appliance);
        _server.Do("renew", ("vm", _machine.Id));
        for (int disk = 0; disk < 2; disk++)
        {
            byte[] bytes = new byte[Size / 2];
            new Random(disk).NextBytes(bytes);
            _server.Write(_machine, disk, 0, bytes);
        }
    }

    internal static SimulatedVSphere Start(bool isCenter) => SimulatedVSphere.Start(
        [.. isCenter ? Array.Empty<string>() : ["-esx"], "-disk-mib", "1", "-second-disk-mib", "1", "-areas", "3"]);

    public override string DataDisk => "scsi0:0";

    public override string OtherDisk => "scsi0:1";

    public override bool IsLive => true;

    public override ApplianceDescription Vm => new()
    {
        ApplianceId = MachineFinder.ApplianceIdOf(_machine.Uuid),
        Name = _machine.Name,
        HypervisorKind = MachineFinder.Kind,
        NativeId = _machine.Uuid,
        Disks = [new ApplianceDisk(DataDisk, DiskRole.Unknown, Size), new ApplianceDisk(OtherDisk, DiskRole.Unknown,
            Size)],
    };

    /// <summary>The clock of the newest connection.</summary>
    internal SkippingClock Clock { get; private set; } = new();

    public override IHypervisor Connect(CallFault? fault = null) => Connect(fault, null);

    internal IHypervisor Connect(CallFault? fault, Func<int, bool>? onWait)
    {
        Clock = new SkippingClock();
        VimService vim = VimService.ConnectAsync(VSphereServers.Options(_server, clock: Clock),
            default).GetAwaiter().GetResult();
        return new VSphereHypervisor(new FaultyVim(vim, fault) { OnWait = onWait });
    }

    public override void Write(string diskId, long offset, byte[] bytes) =>
        _server.Write(_machine, Place(diskId), offset, bytes);

    public override byte[] Content(string diskId) => _server.Content(_machine, Place(diskId));

    public override void Detach(string diskId) =>
        _server.Do("detach", ("vm", _machine.Id), ("disk", Place(diskId)));

    public override void Replace(string diskId, byte[] bytes) =>
        _server.Do("replace", bytes, ("vm", _machine.Id), ("disk", Place(diskId)));

    public override void DeafenGuest() => _server.Do("deafen", ("vm", _machine.Id));

    public override void MakeForeign() => _server.Do("snapshot", ("vm", _machine.Id),
        ("name", "Natalia.Backup " + new string('f', 32)), ("text", "natalia-backup: by another product"));

    public override bool CountsBesideForeign => false;

    public override int ForeignThings => Snapshots.Count(IsForeign);

    public override int ForeignSnapshots => ForeignThings;

    public override (int Snapshots, int States) OurThings => (Snapshots.Count(n => !IsForeign(n)), 0);

    private IReadOnlyList<string> Snapshots => _server.Snapshots(_machine);

    private static bool IsForeign(string name) => name.EndsWith("ffff", StringComparison.Ordinal);

    private static int Place(string diskId) => int.Parse(diskId.Split(':')[1]);
}
