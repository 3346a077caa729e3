using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the names of networks that VMs were on which an earlier command has shown.</summary>
public sealed class NetworkCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Completion.Networks.Select(n => new Candidate(n.Key, n.Value));
}
