using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>A disk of a VM.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Path">Its image, relative to the VM's folder.</param>
/// <param name="Role">What it is for.</param>
/// <param name="Format">Raw or Qcow2.</param>
internal sealed record MachineDisk(string Id, string Path, DiskRole Role, ImageFormat Format)
{
    /// <summary>
    /// The name under which it is served behind the VM's <see cref="Machine.DiskSocket"/>, while its image holds
    /// nothing yet; null for a disk that is in its image.
    /// </summary>
    internal string? Export { get; init; }
}
