using Natalia.Backup.Hypervisors;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the storages for disks of connected hypervisors, as far as earlier commands have seen them.</summary>
public sealed class DiskStorageCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Hypervisors.All.SelectMany(h => h.Hypervisor is IKnownNames known ? known.DiskStorages.Select(n => new Candidate(n, $"on '{h.Name}'")) : []);
}
