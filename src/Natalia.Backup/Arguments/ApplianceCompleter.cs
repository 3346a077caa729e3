using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the names of appliances that an earlier command has shown.</summary>
public sealed class ApplianceCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Completion.ApplianceNames.Select(a => new Candidate(a.Key, a.Value));
}
