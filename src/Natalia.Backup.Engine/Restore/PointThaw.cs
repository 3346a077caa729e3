using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;

namespace Natalia.Backup.Engine.Restore;

/// <summary>
/// Finds out which of the packs that a point needs lie in an archive class, and asks for them. Needs nothing that is
/// archived itself: maps and manifests never are.
/// </summary>
internal sealed class PointThaw(RepositoryCore core, PointManifest manifest, IObjectArchive archive)
{
    private const int RequestsAtOnce = 8;

    /// <param name="diskIds">Which disks; null for all.</param>
    /// <param name="days">Ask for what nobody has asked for, to be readable for so many days; null only looks.</param>
    /// <param name="cancellationToken">Stops it; what was asked for stays so.</param>
    internal async Task<ThawStatus> ExecuteAsync(IReadOnlyCollection<string>? diskIds, int? days,
        CancellationToken cancellationToken)
    {
        var needed = new NeededPacks(core, manifest.ApplianceId);
        await needed.AddAsync(manifest.Disks
            .Where(d => diskIds is null || diskIds.Contains(d.DiskId, StringComparer.OrdinalIgnoreCase))
            .Select(d => d.Root),
            null, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<StoredObject> packs = await needed.LocateAsync([PackArea.Data], null,
            cancellationToken).ConfigureAwait(false);
        (StoredObject Pack, ThawState State, bool Asked)[] states = await InParallel.SelectAsync(packs,
            RequestsAtOnce, async pack =>
        {
            if (!pack.MayNeedThaw) return (pack, ThawState.Readable, false);
            ThawState state =
                await RetryAsync(() => archive.GetThawStateAsync(pack.Name, cancellationToken)).ConfigureAwait(false);
            if (state != ThawState.Archived || days is not int period) return (pack, state, false);
            await RetryAsync(async () =>
            {
                await archive.RequestThawAsync(pack.Name, period, cancellationToken).ConfigureAwait(false);
                return true;
            }).ConfigureAwait(false);
            return (pack, ThawState.Thawing, true);
        }, cancellationToken).ConfigureAwait(false);
        return new ThawStatus
        {
            RestorePointId = manifest.PointId,
            ApplianceId = manifest.ApplianceId,
            ApplianceName = manifest.ApplianceName,
            TimeUtc = manifest.TimeUtc,
            RepositoryId = core.RepositoryId,
            Repository = core.Options.Label,
            Objects = states.Length,
            Bytes = states.Sum(s => s.Pack.Length),
            ReadableObjects = states.Count(s => s.State == ThawState.Readable),
            ThawingObjects = states.Count(s => s.State == ThawState.Thawing),
            ThawingBytes = states.Where(s => s.State == ThawState.Thawing).Sum(s => s.Pack.Length),
            ArchivedObjects = states.Count(s => s.State == ThawState.Archived),
            ArchivedBytes = states.Where(s => s.State == ThawState.Archived).Sum(s => s.Pack.Length),
            Days = states.Any(s => s.Asked) ? days : null,
            ExpectedUtc = states.Any(s => s.State == ThawState.Thawing)
                ? core.Clock.UtcNow() + archive.UsualThawTime
                : null,
        };

        // The archive is found below the wrappers, so their patience is asked for here.
        Task<T> RetryAsync<T>(Func<Task<T>> work) =>
            core.Store.Find<RetryStore>() is RetryStore retry
                ? retry.RetryAsync(_ => work(), cancellationToken)
                : work();
    }
}
