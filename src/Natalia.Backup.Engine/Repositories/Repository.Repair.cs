using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>
    /// Finds out which points are whole and which are lost, notes it, makes again what can be derived, and gives back what nobody needs. Never deletes what a whole point needs.
    /// Waits for no backup: an appliance that is being backed up is a failure of its own. May be stopped at any time and run again.
    /// </summary>
    /// <param name="options">How.</param>
    /// <param name="onFailure">Told of each appliance that could not be repaired, with the reason; the others are.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public async Task<RepairReport> RepairAsync(RepairOptions options, Action<string, NataliaException> onFailure, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        List<KnownAppliance> appliances = [.. await GetAppliancesAsync(cancellationToken).ConfigureAwait(false)];
        if (options.ApplianceIds is not null) appliances.RemoveAll(a => !options.ApplianceIds.Contains(a.ApplianceId));
        return await new RepositoryRepair(_core, _keys, options, onFailure, progress).ExecuteAsync(appliances, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a missing or damaged <c>natalia.json</c> again, bit for bit, from a key slot and the first audit record. Takes seconds of computing. Does nothing when the file is whole.</summary>
    /// <param name="store">Where the repository is; stays the caller's.</param>
    /// <param name="password">Any of its passwords; null for an unencrypted one.</param>
    /// <param name="clock">For the audit record.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>How it was: when not whole, it was made again.</returns>
    /// <exception cref="NataliaException"><c>WrongPassword</c>, <c>RepositoryDamaged</c> when it cannot be made again, <c>RepositoryFormatTooNew</c>, <c>ObjectLocked</c>, a store error.</exception>
    public static Task<SettingsState> RebuildSettingsAsync(IObjectStore store, RepositoryPassword? password, TimeProvider clock, CancellationToken cancellationToken) => SettingsRebuild.ExecuteAsync(store, password, clock, cancellationToken);

    /// <summary>Tells whether <c>natalia.json</c> would be made again. Changes nothing and needs no password.</summary>
    /// <param name="store">Where the repository is; stays the caller's.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RepositoryFormatTooNew</c>, a store error.</exception>
    public static Task<SettingsState> InspectSettingsAsync(IObjectStore store, CancellationToken cancellationToken) => SettingsRebuild.InspectAsync(store, cancellationToken);
}
