using Natalia.Backup.Serving.Disks;

namespace Natalia.Backup.Serving.Nbd;

/// <summary>A disk that a server offers under a name.</summary>
/// <param name="Name">The name.</param>
/// <param name="Description">What it is, for people.</param>
/// <param name="Disk">The disk; stays the caller's.</param>
public sealed record NbdExport(string Name, string Description, IServedDisk Disk);
