using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Retention;

/// <summary>
/// Reads each repository at most once for a command, so that a fleet that is piped in costs one reading.
/// </summary>
/// <param name="onDamage">Takes the damage of a point that cannot be read.</param>
internal sealed class RetentionCache(Action<NataliaException> onDamage)
{
    private readonly Dictionary<RepositoryConnection, RepositoryRetention> _known = [];

    internal async Task<RepositoryRetention> ReadAsync(RepositoryConnection repository,
        CancellationToken cancellationToken)
    {
        if (!_known.TryGetValue(repository, out RepositoryRetention? retention))
            _known[repository] = retention = await RepositoryRetention.ReadAsync(repository, onDamage,
                cancellationToken).ConfigureAwait(false);
        return retention;
    }

    /// <summary>Reads a repository again next time.</summary>
    internal void Forget(RepositoryConnection repository) => _known.Remove(repository);
}
