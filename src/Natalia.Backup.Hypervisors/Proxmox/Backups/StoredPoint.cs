using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>A restore point with what is needed to reach it.</summary>
/// <param name="Point">The point.</param>
/// <param name="Vmid">The VM that it was made of.</param>
/// <param name="Volid">The server's name of it.</param>
/// <param name="Storage">The storage.</param>
/// <param name="Node">A node that reaches it.</param>
/// <param name="GuestName">What the VM was called when this product made the point; null where nothing says so.</param>
internal sealed record StoredPoint(RestorePoint Point, string Vmid, string Volid, string Storage, string Node,
    string? GuestName = null);
