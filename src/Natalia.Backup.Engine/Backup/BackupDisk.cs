using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Backup;

/// <summary>One disk to back up.</summary>
/// <param name="DiskId">The hypervisor's id of the disk, unique within the appliance.</param>
/// <param name="Role">What the disk is for.</param>
/// <param name="Source">Its frozen state. Not disposed by the engine.</param>
public sealed record BackupDisk(string DiskId, DiskRole Role, IDiskSource Source);
