using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Disks of a VM that it reads from a restore point, and that nobody writes for it: they are served over NBD. What the
/// VM writes is kept beside, by whoever serves. Each export has the id of its disk as its name.
/// </summary>
/// <param name="DiskIds">Which of the VM's disks; the others are written as always.</param>
/// <param name="ServeAsync">Begins to serve them at a socket of the file system, whose path the builder chooses: in the
/// VM's folder, which this user alone can reach. They are served until the VM is gone, or was moved from them.</param>
public sealed record ServedDisks(IReadOnlyList<string> DiskIds, Func<string, CancellationToken, Task> ServeAsync)
{
    /// <summary>Told how far the disks of a VM that stays are moved, or null.</summary>
    public IProgress<OperationProgress>? Progress { get; init; }

    /// <summary>Told what a person should know while they are moved, in full sentences; or null.</summary>
    public Action<string>? Tell { get; init; }
}
