using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>
    /// Tells whether what a point needs can be read, and asks for what lies in an archive class. May be asked again at any time: what was asked for before is not asked for twice.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="diskIds">Which of its disks; null for all.</param>
    /// <param name="days">For how many days what is asked for is to stay readable, 1 or more; null only looks.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The state; null where the store has no archive classes, so that everything can be read.</returns>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>BlockMapDamaged</c>, <c>PackMissing</c>, <c>PasswordRequired</c>, a store error.</exception>
    public async Task<ThawStatus?> ThawAsync(RestorePoint point, IReadOnlyCollection<string>? diskIds, int? days, CancellationToken cancellationToken)
    {
        if (days < 1) throw new ArgumentOutOfRangeException(nameof(days));
        if (_core.Store.Find<IObjectArchive>() is not IObjectArchive archive) return null;
        PointManifest manifest = await FindAsync(point.ApplianceId, point.RestorePointId, cancellationToken).ConfigureAwait(false);
        return await new PointThaw(_core, manifest, archive).ExecuteAsync(diskIds, days, cancellationToken).ConfigureAwait(false);
    }
}
