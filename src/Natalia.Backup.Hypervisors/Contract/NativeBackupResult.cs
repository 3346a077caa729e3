using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>What a native backup did.</summary>
/// <param name="Point">The restore point that was made.</param>
/// <param name="Disks">Every disk of the VM, and how it was read.</param>
/// <param name="Warnings">What a person should know although the run succeeded; full sentences.</param>
public sealed record NativeBackupResult(RestorePoint Point, IReadOnlyList<NativeBackupDisk> Disks,
    IReadOnlyList<string> Warnings);
