namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: builds VMs that run from <see cref="ServedDisks"/> on this machine. A test VM does until it is
/// destroyed. A VM that stays is started by the builder, and complete when its disks were moved to images of its own
/// while it runs; until then it is unfinished. May be called from any thread.
/// </summary>
public interface IServedDiskBuilder : IApplianceBuilder;
