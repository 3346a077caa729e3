using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Points;

/// <summary>Finds one point by its appliance's and its own id.</summary>
internal sealed class PointFinder(RepositoryCore core, ManifestReader manifests, PointDescriber describer)
{
    /// <summary>A point whose manifest was read now, with what the log says of it.</summary>
    internal sealed record Found(PointManifest Manifest, RestorePoint Point, PointStates States);

    /// <summary>
    /// Reads the point's manifest itself, never a copy. Of what was listed in this session before, only the log is
    /// listed again.
    /// </summary>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>ManifestDamaged</c>, <c>PasswordRequired</c>,
    /// a store error.</exception>
    internal async Task<Found> FindAsync(string applianceId, string restorePointId, CancellationToken cancellationToken)
    {
        _ = core.Keys;
        // The name is remembered, not what it stands for: that the object is still there and whole shows when it is
        // read.
        if (manifests.Recall(applianceId, restorePointId) is Run listed
            && await TryReadAsync(applianceId, listed, cancellationToken).ConfigureAwait(false) is Found recalled)
            return recalled;
        foreach (Run run in await manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false))
        {
            if (run.Id.ToString() == restorePointId
                && await TryReadAsync(applianceId, run, cancellationToken).ConfigureAwait(false) is Found found)
                return found;
        }
        throw NotFound(restorePointId);
    }

    /// <summary>Why a point is not listed: its manifest cannot be read, or it is not there.</summary>
    internal async Task<NataliaException> FindAbsenceAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        try
        {
            await FindAsync(point.ApplianceId, point.RestorePointId, cancellationToken).ConfigureAwait(false);
            return NotFound(point.RestorePointId);
        }
        catch (NataliaException absence) when (absence.ErrorId == ErrorIds.RestorePointNotFound)
        {
            return absence;
        }
        catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ManifestDamaged)
        {
            return new NataliaException(damage.ErrorId, damage.Kind,
                $"The restore point {point} ({point.RestorePointId}) was not removed, because it cannot be read. "
                + $"{damage.Message}",
                point.RestorePointId,
                "Repair-NataliaRepository makes the manifest again where a copy of it is left; with -RemoveLost it "
                + "gives the point up.",
                damage);
        }
    }

    /// <summary>Null for what is gone, for a point that was removed, and for a checkpoint, which is no point.</summary>
    private async Task<Found?> TryReadAsync(string applianceId, Run run, CancellationToken cancellationToken)
    {
        AuditLog log = core.ApplianceLog(applianceId);
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        PointStates states = await PointStates.ReadAsync(log, names, [run.Sequence],
            cancellationToken).ConfigureAwait(false);
        if (states.IsRemoved(run.Id.ToString())) throw NotFound(run.Id.ToString());
        try
        {
            PointManifest manifest = await manifests.ReadAnewAsync(applianceId, run,
                cancellationToken).ConfigureAwait(false);
            if (manifest.Incomplete) return null;
            return new Found(manifest,
                describer.Describe(manifest, states,
                    await describer.ReadRenewalsAsync(log, names, cancellationToken).ConfigureAwait(false)), states);
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return null;
        }
    }

    private static NataliaException NotFound(string restorePointId) =>
        new(ErrorIds.RestorePointNotFound, NataliaErrorKind.NotFound,
        $"There is no restore point '{restorePointId}'.", restorePointId,
        "List the points with Get-NataliaRestorePoint.");
}
