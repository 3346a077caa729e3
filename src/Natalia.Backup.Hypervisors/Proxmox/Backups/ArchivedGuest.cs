using Natalia.Backup.Hypervisors.Proxmox.Cluster;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>A VM as it was when its newest good restore point was made.</summary>
internal sealed record ArchivedGuest(StoredPoint Point, GuestConfig Config);
