using System.Globalization;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the ids of passwords that were listed, of the repository that the line names.</summary>
public sealed class RepositoryKeyCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Completion.Keys.Where(k => Line.MayMeanRepository(k.Repository, k.RepositoryId))
            .Select(k => new Candidate(k.KeyId, string.Format(CultureInfo.InvariantCulture, "{0}{1}made {2:yyyy-MM-dd}",
                k.Name, k.Name is null ? "" : ", ", k.CreatedUtc)));
}
