using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Completes the ids of disks that an earlier command has shown, of the appliance that the line names.
/// </summary>
public sealed class DiskCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Completion.Disks.Where(d => Line.MayMeanAppliance(d.Appliance))
            .GroupBy(d => d.DiskId, StringComparer.OrdinalIgnoreCase)
            .Select(g => new Candidate(g.Key, string.Join("; ", g.Select(d => d.About))));
}
