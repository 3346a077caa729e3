using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>A VM in memory.</summary>
public sealed class MemoryFixture(TokenLife life) : HypervisorFixture
{
    public MemoryHost Host { get; } = new(("scsi0:0", RepositoryFixture.Disk(1 << 20, 1)),
        ("scsi0:1", RepositoryFixture.Disk(300_000, 2)));

    public override string DataDisk => "scsi0:0";

    public override string OtherDisk => "scsi0:1";

    public override bool IsLive => true;

    public override ApplianceDescription Vm => MemoryHypervisor.Describe(Host);

    public override IHypervisor Connect(CallFault? fault = null) => new MemoryHypervisor(Host, life, fault);

    public override void Write(string diskId, long offset, byte[] bytes) => Host.Write(diskId, offset, bytes);

    public override byte[] Content(string diskId) => Host.Content(diskId);

    public override void Detach(string diskId) => Host.Detach(diskId);

    public override void Replace(string diskId, byte[] bytes) => Host.Attach(diskId, bytes);

    public override void DeafenGuest() => Host.IsGuestDeaf = true;

    public override void MakeForeign() => Host.MakeForeign();

    public override int ForeignThings => Host.Objects.Count(o => o.IsForeign);

    public override (int Snapshots, int States) OurThings =>
        (Count(MemoryObject.Snapshot), Count(MemoryObject.ReferencePoint));

    private int Count(string kind) => Host.Objects.Count(o => !o.IsForeign && o.Kind == kind);

    public override int StatesPerRepository => life == TokenLife.BornAtSeal ? 1 : 0;
}
