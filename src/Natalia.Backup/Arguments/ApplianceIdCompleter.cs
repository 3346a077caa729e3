using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the ids of appliances that an earlier command has shown.</summary>
public sealed class ApplianceIdCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Completion.ApplianceIds.Select(a => new Candidate(a.Key, a.Value));
}
