using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the names of connected hypervisors.</summary>
public sealed class HypervisorCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Hypervisors.All.Select(c => new Candidate(c.Name, $"{c.Session.Kind}: {c.Session.Location}"));
}
