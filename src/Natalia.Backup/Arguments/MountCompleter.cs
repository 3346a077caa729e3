using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the ids of what the session serves.</summary>
public sealed class MountCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Mounts.All.Select(m => m.Describe())
            .Select(m => new Candidate(m.MountId, $"{m.Uri}: {m.DiskId} of {m.ApplianceName}"));
}
