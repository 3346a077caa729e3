using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>
/// A VM on a hypervisor, as <see cref="HypervisorConformance"/> needs it: with two disks, whose content the test
/// knows and changes.
/// </summary>
public abstract class HypervisorFixture : IDisposable
{
    /// <summary>The data disk, 1 MiB or so, and a second one.</summary>
    public abstract string DataDisk { get; }

    public abstract string OtherDisk { get; }

    /// <summary>
    /// Whether the VM goes on writing while its disks are frozen. A cold one must not, and a write is found by the
    /// seal.
    /// </summary>
    public abstract bool IsLive { get; }

    /// <summary>True when nobody can write or remove a disk as long as it is frozen.</summary>
    public virtual bool HoldsWhatItReads => false;

    /// <summary>
    /// A connection, and what goes wrong at one of its calls to the hypervisor; where it makes none, nothing can.
    /// </summary>
    public abstract IHypervisor Connect(CallFault? fault = null);

    public abstract ApplianceDescription Vm { get; }

    public abstract void Write(string diskId, long offset, byte[] bytes);

    public abstract byte[] Content(string diskId);

    /// <summary>Takes the disk away.</summary>
    public abstract void Detach(string diskId);

    /// <summary>Puts another disk in the place of one.</summary>
    public abstract void Replace(string diskId, byte[] bytes);

    /// <summary>Called before a freeze, for a hypervisor whose changes are told by somebody else.</summary>
    public virtual void BeforeFreeze()
    {
    }

    /// <summary>Makes the guest deaf to quiescing, where there is one.</summary>
    public virtual void DeafenGuest()
    {
    }

    /// <summary>Lets another product make what looks like ours.</summary>
    public virtual void MakeForeign()
    {
    }

    /// <summary>
    /// Whether an incremental counts from a point beside which things of others stood. Where the VM may be set back to
    /// these unseen, all is read.
    /// </summary>
    public virtual bool CountsBesideForeign => true;

    /// <summary>How many things of others stand there.</summary>
    public virtual int ForeignThings => 0;

    /// <summary>How many of them are snapshots of the VM; 0 where it can have none.</summary>
    public virtual int ForeignSnapshots => 0;

    /// <summary>
    /// How many snapshots and the like of ours stand there, and how many states that an incremental can count from.
    /// </summary>
    public virtual (int Snapshots, int States) OurThings => (0, 0);

    /// <summary>How many states stand for one repository whose newest point is sealed and published.</summary>
    public virtual int StatesPerRepository => 0;

    public virtual void Dispose()
    {
    }
}
