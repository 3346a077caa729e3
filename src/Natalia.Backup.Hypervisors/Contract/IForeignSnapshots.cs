namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// What <see cref="IFrozenDisks"/> may be as well: a state of a VM that can have snapshots of others beside the
/// backup's own. They are never touched, and the point says that they were there. A hypervisor without such snapshots
/// leaves it out.
/// </summary>
public interface IForeignSnapshots
{
    /// <summary>How many snapshots of others the VM had when it was frozen; 0 or more.</summary>
    int ForeignSnapshots { get; }
}
