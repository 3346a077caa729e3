using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the storages for backups of connected hypervisors.</summary>
public sealed class BackupStorageCompleter : KnownNameCompleter
{
    private protected override IReadOnlyList<string> Choose(IKnownNames known) => known.BackupStorages;
}
