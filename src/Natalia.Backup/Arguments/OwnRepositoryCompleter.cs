using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the names of connected repositories of this product: those that keep an audit log.</summary>
public sealed class OwnRepositoryCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Repositories.All.Where(c => c.IsOwn).Select(c => new Candidate(c.Name, c.Session.Location));
}
