using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Hypervisors.VSphere.Snapshots;

/// <summary>
/// The way to the bytes of a frozen VM. Disposing closes every connection and gives leases back: only then may the
/// snapshot go.
/// </summary>
internal interface IDiskReading : IAsyncDisposable
{
    /// <summary>What the user should know of the reading, in full sentences.</summary>
    IReadOnlyList<string> Warnings { get; }

    /// <summary>A disk; it is an <see cref="IChangeTrackingSource"/> as well.</summary>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>.</exception>
    IDiskSource GetDisk(string diskId);
}

/// <summary>Opens frozen VMs for reading. Any thread.</summary>
internal interface IDiskReadings
{
    /// <summary>Finds a way to the bytes of all disks, and opens it.</summary>
    /// <exception cref="NataliaException">No way leads there; the message says what to change.</exception>
    Task<IDiskReading> OpenAsync(FrozenMachine frozen, CancellationToken cancellationToken);
}
