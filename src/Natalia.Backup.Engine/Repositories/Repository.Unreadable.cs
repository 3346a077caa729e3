using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>A point whose manifest cannot be read, as the signed record of its making tells of it; null where there is no such record. A damaged checkpoint, which is no point, has none either.</summary>
    private async Task<RestorePoint?> DescribeUnreadableAsync(string applianceId, Run run, AuditLog log, List<AuditName> names, PointStates states, CancellationToken cancellationToken)
    {
        string id = run.Id.ToString();
        List<AuditName> made = names.FindAll(n => n.Event == AuditEvents.PointMade && n.Sequence == run.Sequence);
        if ((await log.ReadAllAsync(made, cancellationToken).ConfigureAwait(false)).FirstOrDefault(r => r?.RestorePointId == id) is not { Data: string text }) return null;
        using JsonDocument document = JsonDocument.Parse(text);
        JsonElement data = document.RootElement;
        if (data.ReadTimeOrNull("timeUtc") is not DateTime time) return null;
        PointOrigin? copyOf = PointOrigin.Read(data);
        return new RestorePoint
        {
            RestorePointId = id,
            ApplianceId = applianceId,
            ApplianceName = data.ReadStringOrNull("name") ?? applianceId,
            RepositoryId = RepositoryId,
            Repository = Label,
            Sequence = run.Sequence,
            TimeUtc = time,
            IsInFuture = _core.Clock.IsInFuture(time),
            Type = data.ReadEnum<BackupType>("type"),
            Consistency = data.ReadEnum<Consistency>("consistency"),
            ReadBytes = data.ReadLongOrNull("readBytes"),
            StoredBytes = data.ReadLongOrNull("storedBytes"),
            IsProtected = states.IsProtected(id),
            OriginalRestorePointId = copyOf?.PointId,
            OriginalRepositoryId = copyOf?.RepositoryId,
            IsEncrypted = IsEncrypted,
            Verification = VerificationState.Failed,
            IsReadable = false,
        };
    }

    /// <summary>Why a point is not listed: its manifest cannot be read, or it is not there.</summary>
    private async Task<NataliaException> FindAbsenceAsync(RestorePoint point, CancellationToken cancellationToken)
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
            return new NataliaException(damage.ErrorId, damage.Kind, $"The restore point {point} ({point.RestorePointId}) was not removed, because it cannot be read. {damage.Message}", point.RestorePointId,
                "Repair-NataliaRepository makes the manifest again where a copy of it is left; with -RemoveLost it gives the point up.", damage);
        }
    }

    /// <summary>One word for all that lies among an appliance's manifests and that nobody knows as a point.</summary>
    private NataliaException Strange(string applianceId, IReadOnlyCollection<Run> runs)
    {
        string room = Layout.Manifests(applianceId), first = Layout.Manifest(applianceId, runs.OrderBy(r => r.ToString(), StringComparer.Ordinal).First());
        return new NataliaException(ErrorIds.ManifestUnknown, NataliaErrorKind.InvalidData,
            (runs.Count == 1 ? $"'{first}' in {Location} cannot be read, and the audit log does not know it as a restore point. It is not counted as one"
                : $"{runs.Count} objects under '{room}' in {Location} cannot be read, and the audit log does not know them as restore points, '{first}' among them. They are not counted as such")
            + ": a checkpoint of an interrupted run that was damaged, or something that somebody put there.", room, "Repair-NataliaRepository -WhatIf tells more. No restore point needs what is not one.");
    }

    /// <summary>The damage of a manifest in the words of who looks for the point.</summary>
    private static NataliaException Unreadable(RestorePoint point, NataliaException damage) => new(damage.ErrorId, damage.Kind,
        $"The restore point {point} ({point.RestorePointId}) cannot be read. {damage.Message}", point.RestorePointId, damage.RecommendedAction, damage);
}
