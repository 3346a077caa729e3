using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the names of connected repositories.</summary>
public sealed class RepositoryCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Repositories.All.Select(c => new Candidate(c.Name, c.Session.Location));
}
