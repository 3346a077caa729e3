using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>
    /// What the repository knows of one appliance, with one listing of its log and one of its manifests. Records are
    /// read from the newest back, and not remembered.
    /// </summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="sinceUtc">From when on what was made is wanted, UTC.</param>
    /// <param name="onDamage">Told of what cannot be read; the rest is told all the same. Called by one thread at a
    /// time.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public Task<ApplianceHistory> ReadHistoryAsync(string applianceId, DateTime sinceUtc,
        Action<NataliaException> onDamage, CancellationToken cancellationToken) =>
        new HistoryReader(_core, _listing).ReadAsync(applianceId, sinceUtc, onDamage, cancellationToken);

    /// <summary>The policy of appliances that have none of their own; null without one.</summary>
    public Task<StoredRetentionPolicy?> GetDefaultRetentionPolicyAsync(CancellationToken cancellationToken) =>
        _policies.GetDefaultAsync(cancellationToken);

    /// <summary>Where the repository's store really lies; null when it cannot tell.</summary>
    public async Task<StorePlacement?> GetPlacementAsync(CancellationToken cancellationToken) =>
        _core.Store.Find<IPlacedStore>() is IPlacedStore placed
            ? await placed.GetPlacementAsync(cancellationToken).ConfigureAwait(false)
            : null;
}
