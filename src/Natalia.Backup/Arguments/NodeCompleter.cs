using Natalia.Backup.Hypervisors;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the nodes of connected hypervisors, as far as earlier commands have seen them.</summary>
public sealed class NodeCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Hypervisors.All.SelectMany(h => h.Hypervisor is IKnownNames known ? known.Nodes.Select(n => new Candidate(n, $"on '{h.Name}'")) : []);
}
