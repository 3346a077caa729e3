using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the storages for disks of connected hypervisors.</summary>
public sealed class DiskStorageCompleter : KnownNameCompleter
{
    private protected override IReadOnlyList<string> Choose(IKnownNames known) => known.DiskStorages;
}
