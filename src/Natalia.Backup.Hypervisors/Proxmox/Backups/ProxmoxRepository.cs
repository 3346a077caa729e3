using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Jobs;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>A backup storage of a Proxmox VE cluster as a repository.</summary>
internal sealed partial class ProxmoxRepository : INativeRepository
{
    /// <summary>How long a change that was accepted is followed after the command was stopped.</summary>
    private static readonly TimeSpan s_settle = TimeSpan.FromSeconds(30);

    private readonly ProxmoxCluster _cluster;
    private readonly StoredPoints _points;
    private readonly ArchivedGuests _archived;

    internal ProxmoxRepository(ProxmoxCluster cluster, string storage, string storageKind, string label,
        bool isShared)
    {
        _cluster = cluster;
        _points = new StoredPoints(cluster);
        _archived = new ArchivedGuests(cluster, _points);
        (Storage, StorageKind, Label, IsShared) = (storage, storageKind, label, isShared);
        RepositoryId = _points.RepositoryIdOf(storage);
    }

    public string RepositoryId { get; }

    public string Label { get; }

    public string Kind => ProxmoxCluster.KindName;

    public string Storage { get; }

    public string StorageKind { get; }

    public bool IsShared { get; }

    public string Location => $"{_cluster.Location}:{Storage}";

    public async Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(
        RestorePointFilter filter, Action<NataliaException>? onTrouble, Action<MissingPoints>? onMissing,
        CancellationToken cancellationToken)
    {
        string? vmid = null;
        if (filter.ApplianceId is string id)
            vmid = (await _cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false)).FirstOrDefault(
                g => _cluster.ApplianceIdOf(g.Vmid) == id)?.Vmid;
        IReadOnlyList<StoredPoint> all = await _points.ListAsync(Storage, Label, vmid, cancellationToken,
            onTrouble).ConfigureAwait(false);
        return
        [
            .. all.Select(p => p.Point).Where(p => (filter.ApplianceId is null || p.ApplianceId == filter.ApplianceId)
                && (filter.AfterUtc is null || p.TimeUtc >= filter.AfterUtc)
                && (filter.BeforeUtc is null || p.TimeUtc <= filter.BeforeUtc)),
        ];
    }

    public Task<NativeBackupResult> BackupAsync(ApplianceDescription appliance, NativeBackupRequest request,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        if (appliance.NativeId is not string vmid || appliance.ApplianceId != _cluster.ApplianceIdOf(vmid))
            throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.InvalidArgument,
                $"'{appliance.Name}' is not a VM of the cluster '{_cluster.Location}', so the storage '{Storage}' "
                + "cannot take it.",
                appliance.Name);
        return new VzdumpRun(_cluster, _points, new LeftOutDisks(_cluster), Storage, Label).RunAsync(vmid, request,
            progress, cancellationToken);
    }

    // The storage has a mark for it, and no place for a reason.
    public async Task<RestorePoint> SetProtectionAsync(RestorePoint point, bool isProtected, string reason,
        CancellationToken cancellationToken)
    {
        StoredPoint stored = await FindAsync(point, cancellationToken).ConfigureAwait(false);
        await _cluster.Client.PutAsync(PathOf(stored), new ApiArguments { { "protected", isProtected } },
            cancellationToken,
            new RequiredRight("Datastore.AllocateSpace", $"/storage/{Storage}")).ConfigureAwait(false);
        StoredPoint now = await SettleAsync($"The change of protection of '{stored.Volid}'", point,
            token => FindAsync(point, token), cancellationToken).ConfigureAwait(false);
        if (now.Point.IsProtected != isProtected)
            throw new NataliaException(ErrorIds.ServerError, NataliaErrorKind.InvalidOperation,
                $"'{_cluster.Location}' took the change of protection of '{now.Volid}', but the point is "
                + $"{(isProtected ? "not protected" : "still protected")}.",
                point.RestorePointId);
        return now.Point;
    }

    public async Task<NataliaException?> FindRemovalRefusalAsync(RestorePoint point,
        CancellationToken cancellationToken)
    {
        try
        {
            return await FindRefusalAsync(await FindAsync(point, cancellationToken).ConfigureAwait(false),
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException absence) when (absence.ErrorId == ErrorIds.RestorePointNotFound)
        {
            return absence;
        }
    }

    private async Task<NataliaException?> FindRefusalAsync(StoredPoint stored, CancellationToken cancellationToken)
    {
        string id = stored.Point.RestorePointId;
        if (stored.Point.IsProtected)
        {
            return new NataliaException(ErrorIds.RestorePointProtected, NataliaErrorKind.PermissionDenied,
                $"The restore point {stored.Point} ('{stored.Volid}') is protected.", id,
                "Take the protection away first with Unprotect-NataliaRestorePoint.");
        }
        IReadOnlyList<StoredPoint> all = await _points.ListAsync(Storage, Label, stored.Vmid,
            cancellationToken).ConfigureAwait(false);
        // The newest good one, not the newest: what failed verification, or is not finished, is no point to be left
        // with.
        StoredPoint? newest = all.FirstOrDefault(p =>
            p.Point.IsFinished && p.Point.Verification != VerificationState.Failed);
        return newest?.Volid != stored.Volid
            ? null
            : new NataliaException(ErrorIds.RestorePointIsNewest, NataliaErrorKind.InvalidOperation,
            $"The restore point {stored.Point} ('{stored.Volid}') is the newest good one of "
            + $"'{stored.Point.ApplianceName}' in '{Storage}', and that is never removed.",
            id, "Make a newer one first.");
    }

    /// <summary>
    /// Finds out what became of a change that the server has accepted. Who stops the command cannot stop the change, so
    /// that it is followed a little longer then.
    /// </summary>
    /// <exception cref="NataliaException"><c>RequestOutcomeUnknown</c>: it could not be found out. <c>TaskFailed</c>:
    /// it was not done.</exception>
    private static async Task<T> SettleAsync<T>(string what, RestorePoint point,
        Func<CancellationToken, Task<T>> lookAsync, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource();
        using CancellationTokenRegistration stopped = cancellationToken.Register(() => limit.CancelAfter(s_settle));
        try
        {
            return await lookAsync(limit.Token).ConfigureAwait(false);
        }
        catch (Exception e)
            when (e is OperationCanceledException || e is NataliaException { ErrorId: not ErrorIds.TaskFailed })
        {
            string why = e is OperationCanceledException ? "The command was stopped." : e.Message;
            throw new NataliaException(ErrorIds.RequestOutcomeUnknown, NataliaErrorKind.Connection,
                $"{what} was asked for and accepted. Whether it was done is not known: {why}", point.RestorePointId,
                "Look with Get-NataliaRestorePoint what is there before repeating it.", e);
        }
    }

    public async Task RemoveRestorePointAsync(RestorePoint point, string reason, CancellationToken cancellationToken)
    {
        StoredPoint stored = await FindAsync(point, cancellationToken).ConfigureAwait(false);
        if (await FindRefusalAsync(stored, cancellationToken).ConfigureAwait(false) is NataliaException refusal)
            throw refusal;
        ApiAnswer answer = await _cluster.Client.DeleteAsync(PathOf(stored), null, cancellationToken,
            new RequiredRight("Datastore.AllocateSpace", $"/storage/{Storage}")).ConfigureAwait(false);
        string what = $"The removal of '{stored.Volid}'";
        IReadOnlyList<StoredPoint> left = await SettleAsync(what, point, async token =>
        {
            // No task means that the server was done before it answered.
            if (Upid.TryParse(answer.Text, out Upid task))
                (await _cluster.Tasks.WaitAsync(task, new TaskWaitOptions { Timeout = TimeSpan.FromHours(1) },
                    token).ConfigureAwait(false))
                    .ThrowUnlessDone(what, StorageKind == "pbs" ? MayNotPrune : null);
            return await _points.ListAsync(Storage, Label, stored.Vmid, token).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
        if (left.Any(p => p.Volid == stored.Volid))
            throw new NataliaException(ErrorIds.ServerError, NataliaErrorKind.InvalidOperation,
                $"'{_cluster.Location}' reported '{stored.Volid}' as removed, but it is still there.",
                point.RestorePointId);
    }

    // It reads no data: verification is the storage's own work.
    public async Task<IReadOnlyList<CheckResult>> VerifyAsync(RestorePoint point, TimeSpan maximumAge,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        StoredPoint stored = await FindAsync(point, cancellationToken).ConfigureAwait(false);
        RestorePoint now = stored.Point;
        DateTime utcNow = _cluster.UtcNow;
        CheckResult template = new()
        {
            Name = "",
            Result = CheckOutcome.Passed,
            Target = stored.Volid,
            RestorePointId = now.RestorePointId,
            ApplianceId = now.ApplianceId,
            RepositoryId = RepositoryId,
        };
        string days = maximumAge.TotalDays.ToString("0.#", CultureInfo.InvariantCulture);
        TimeSpan? age = now.VerifiedUtc is DateTime verified ? utcNow - verified : null;
        var checks = new List<CheckResult> { template with { Name = "Present" } };
        checks.Add(now.Verification switch
        {
            VerificationState.Failed => template with
            {
                Name = "Verification",
                Result = CheckOutcome.Failed,
                Expected = "ok",
                Actual = "failed",
                ErrorId = ErrorIds.RestorePointDamaged,
                Detail = "The backup server's verification found damage. The server reads this point in full at the "
                    + "next backup; make one now and verify it.",
            },
            _ when !now.IsFinished => template with
            {
                Name = "Verification",
                Result = CheckOutcome.NotEvidenced,
                Expected = "ok",
                Actual = "unfinished",
                Detail = "The backup server has no index of it: a backup is still writing it, or was broken off. It "
                    + "cannot be restored.",
            },
            VerificationState.Good => template with { Name = "Verification", Expected = "ok", Actual = "ok" },
            _ when StorageKind == "pbs" => template with
            {
                Name = "Verification",
                Result = CheckOutcome.NotEvidenced,
                Expected = "ok",
                Actual = "never verified",
                Detail = "Set up a verify job on the backup server.",
            },
            _ => template with
            {
                Name = "Verification",
                Result = CheckOutcome.NotEvidenced,
                Detail =
                    $"A storage of the kind '{StorageKind}' keeps no verification; a restore test is the only proof.",
            },
        });
        if (now.Verification == VerificationState.Good)
        {
            checks.Add(age is null
                ? template with
                {
                    Name = "VerificationAge",
                    Result = CheckOutcome.NotEvidenced,
                    Tolerance = days == "1" ? "1 day" : days + " days",
                    Detail = "The server does not say when the verification ran.",
                }
                : template with
                {
                    Name = "VerificationAge",
                    Result = age <= maximumAge ? CheckOutcome.Passed : CheckOutcome.Warning,
                    Actual = $"{age.Value.TotalDays.ToString("0.#", CultureInfo.InvariantCulture)} days",
                    Tolerance = days == "1" ? "1 day" : days + " days",
                });
        }
        ClusterGuest? guest =
            (await _cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false)).FirstOrDefault(
                g => g.Vmid == stored.Vmid);
        (GuestConfig? config, NataliaException? problem) = guest is null
            ? (null, null)
            : await _cluster.TryGetConfigAsync(guest, cancellationToken).ConfigureAwait(false);
        if (config?.CreatedUtc is DateTime created && now.TimeUtc < created)
            checks.Add(
                template with
                {
                    Name = "SameAppliance",
                    Result = CheckOutcome.Warning,
                    Expected = $"made after {created:yyyy-MM-dd HH:mm:ss} UTC",
                    Actual = $"{now.TimeUtc:yyyy-MM-dd HH:mm:ss} UTC",
                    Detail =
                        $"The point is older than the VM {stored.Vmid} itself: it may be of another VM that had this "
                    + "number before, or of another cluster that uses the same storage."
                });
        else
            checks.Add(template with
            {
                Name = "SameAppliance",
                Result = config is null ? CheckOutcome.NotEvidenced : CheckOutcome.Passed,
                Detail = config is not null
                    ? null
                    : problem is not null
                        ? $"VM {stored.Vmid} cannot be read to compare with: {problem.Message}"
                        : $"There is no VM {stored.Vmid} any more to compare with.",
            });
        return checks;
    }

    public async Task<ApplianceDescription> GetConfigurationAsync(RestorePoint point,
        CancellationToken cancellationToken)
    {
        StoredPoint stored = await FindAsync(point, cancellationToken).ConfigureAwait(false);
        GuestConfig config = await ReadArchivedConfigAsync(_cluster, stored, cancellationToken).ConfigureAwait(false);
        return GuestDescriber.Describe(stored.Point.ApplianceId, stored.Vmid,
            config["name"] ?? stored.Point.ApplianceName, config, null);
    }

    public async Task<IReadOnlyList<NativePruneRow>> PlanPruneAsync(string applianceId, RetentionLimits limits,
        CancellationToken cancellationToken)
    {
        (string vmid, string node) = await FindGroupAsync(applianceId, cancellationToken).ConfigureAwait(false);
        return await PlanAsync(vmid, node, limits, cancellationToken).ConfigureAwait(false);
    }

    private const string MayNotPrune =
        "On the backup server the storage's own user needs Datastore.Prune; where it has only the right to back up, "
        + "let a prune job of the backup server do this.";

    public override string ToString() => Location;

    /// <summary>The configuration as it lies in the archive.</summary>
    internal static async Task<GuestConfig> ReadArchivedConfigAsync(ProxmoxCluster cluster, StoredPoint stored,
        CancellationToken cancellationToken)
    {
        ApiAnswer answer = await cluster.Client.GetAsync(ApiPath.Of($"/nodes/{stored.Node}/vzdump/extractconfig"),
            new ApiArguments { { "volume", stored.Volid } }, cancellationToken,
            new RequiredRight("VM.Backup", $"/vms/{stored.Vmid}")).ConfigureAwait(false);
        return GuestConfig.FromText(answer.Text
            ?? throw new NataliaException(ErrorIds.ConfigurationNotStored, NataliaErrorKind.InvalidData,
                $"The restore point '{stored.Volid}' holds no configuration.", stored.Point.RestorePointId));
    }

    private static ApiArguments PruneArguments(string vmid, RetentionLimits limits) =>
        new() { { "prune-backups", PruneLimits.Text(limits) }, { "vmid", vmid }, { "type", "qemu" } };

    private async Task<IReadOnlyList<NativePruneRow>> PlanAsync(string vmid, string node, RetentionLimits limits,
        CancellationToken cancellationToken)
    {
        // Never without VM and type: the call would be about everything in the storage.
        JsonElement data = (await _cluster.Client.GetAsync(ApiPath.Of($"/nodes/{node}/storage/{Storage}/prunebackups"),
            PruneArguments(vmid, limits), cancellationToken,
            new RequiredRight("Datastore.Audit", $"/storage/{Storage}")).ConfigureAwait(false)).Data;
        return
        [
            .. from r in data.Items()
               where r.Text("volid") is not null && (r.Text("vmid") ?? vmid) == vmid && r.Text("type") is null or "qemu"
               let time = r.Time("ctime") ?? default
               orderby time descending
               select new NativePruneRow(_points.PointIdOf(r.Text("volid")!), r.Text("volid")!,
                   time, r.Text("mark") switch
               {
                   "keep" or "keep-partial" => NativePruneMark.Keep,
                   "remove" => NativePruneMark.Remove,
                   "protected" => NativePruneMark.Protected,
                   "renamed" => NativePruneMark.Renamed,
                   _ => NativePruneMark.Unknown,
               }),
        ];
    }

    private async Task<(string Vmid, string Node)> FindGroupAsync(string applianceId,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<ClusterGuest> guests = await _cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false);
        string? vmid = guests.FirstOrDefault(g => _cluster.ApplianceIdOf(g.Vmid) == applianceId)?.Vmid;
        IReadOnlyList<StoredPoint> all = await _points.ListAsync(Storage, Label, vmid,
            cancellationToken).ConfigureAwait(false);
        StoredPoint? any = all.FirstOrDefault(p => p.Point.ApplianceId == applianceId);
        if (any is not null) return (any.Vmid, any.Node);
        if (vmid is null)
            throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"Neither the cluster '{_cluster.Location}' nor the storage '{Storage}' knows the appliance "
                + $"{applianceId}.",
                applianceId);
        return (vmid, (await _cluster.GetStorageAsync(Storage, cancellationToken).ConfigureAwait(false)).Nodes[0]);
    }

    private Task<StoredPoint> FindAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        if (point.NativeId is string volid && volid.StartsWith(Storage + ":", StringComparison.Ordinal))
            return _points.FindAsync(point with { Repository = Label }, cancellationToken);
        throw new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.InvalidArgument,
            $"The restore point {point} does not lie in the storage '{Storage}'.", point.RestorePointId);
    }

    private ApiPath PathOf(StoredPoint stored) =>
        ApiPath.Of($"/nodes/{stored.Node}/storage/{Storage}/content/{stored.Volid}");
}
