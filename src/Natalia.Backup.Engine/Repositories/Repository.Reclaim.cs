using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Reclaim;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>How long a removed point stays readable for those who began to read it: three days, for readers that cannot leave a note.</summary>
    public static TimeSpan DefaultGrace => PackSweep.DefaultGrace;

    /// <summary>The ids of all appliances that have anything in the repository.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    public Task<IReadOnlyList<string>> GetApplianceIdsAsync(CancellationToken cancellationToken) => _core.ListAppliancesAsync(cancellationToken);

    /// <summary>
    /// Gives back the space that removed points took in one appliance's part. Safe beside a running backup and beside itself; may be stopped at any time and run again.
    /// </summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="grace">How long ago a point must have been removed, 0 or more; <see cref="DefaultGrace"/> unless no reader can be at work.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public async Task<ReclaimResult> ReclaimAsync(string applianceId, TimeSpan grace, CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        ReclaimResult result = await new ReclaimRun(_core, _manifests, applianceId, grace).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        return result with { Repository = Label };
    }
}
