using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Jobs;

/// <summary>
/// Cluster backup jobs. One job of the product's own for each VM, under an id that follows from the VM's number, so
/// that setting it twice is setting it once.
/// </summary>
internal sealed class JobService(ProxmoxCluster cluster, LeftOutDisks leftOut) : INativeSchedules
{
    internal const string Prefix = "natalia-";
    private const string CommentMark = "Natalia.Backup";
    private const string DamagedMark =
        "The line in the VM's notes that says what is kept was changed by hand and cannot be read.";
    private const int ForeseenRuns = 4;
    private const int ParallelReads = 12;
    private static readonly RequiredRight s_modify = new("Sys.Modify", "/");
    private static readonly RequiredRight s_audit = new("Sys.Audit", "/");
    private static readonly Regex s_daily = new(@"^(\*-\*-\* )?\d{1,2}:\d{2}$", RegexOptions.CultureInvariant);
    private static readonly Regex s_sixHourly = new(@"^(\*-\*-\* )?((0?0|\*)/6|(\d{1,2})(,\d{1,2}){3}):\d{2}$",
        RegexOptions.CultureInvariant);

    public async Task<NativeSchedule> SetScheduleAsync(ApplianceDescription appliance, NativeScheduleRequest request,
        CancellationToken cancellationToken)
    {
        string vmid = ProxmoxCluster.VmidOf(appliance);
        string? repaired = await leftOut.RepairAsync(vmid, cancellationToken).ConfigureAwait(false);
        StorageInfo storage = await cluster.GetStorageAsync(request.Storage, cancellationToken).ConfigureAwait(false);
        if (!storage.TakesBackups)
            throw new NataliaException(ErrorIds.StorageNotSuitable, NataliaErrorKind.InvalidOperation,
                $"The storage '{request.Storage}' on '{cluster.Location}' does not take backups.", request.Storage);
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        List<string> data = DataDisks(appliance, config);
        if (config.Disks.FirstOrDefault(d => data.Contains(d.Key) && !d.IsBackedUp) is { } excluded)
            throw Omits(IdOf(vmid), vmid, excluded.Key, "its own setting excludes it (backup=0)");

        string id = IdOf(vmid);
        JsonElement? existing = await FindAsync(id, cancellationToken).ConfigureAwait(false);
        // What is kept is a matter of one storage: a job that goes to another one leaves its own behind for the old
        // one, and takes over what waits for the new one.
        string? former = existing?.Text("storage");
        RetentionLimits? waiting = former == request.Storage
            ? null
            : RetentionMark.Parse(config.Description, vmid, request.Storage);
        if (request.Retention is null && former != request.Storage
            && RetentionMark.IsDamaged(config.Description, vmid, request.Storage))
            throw new NataliaException(ErrorIds.RetentionPolicyDamaged, NataliaErrorKind.InvalidData,
                $"What the backup job of VM {vmid} shall keep is not known: {DamagedMark}", vmid,
                "Set it again with Set-NataliaRetention, or name what to keep.");
        var wanted = new Dictionary<string, string>
        {
            ["schedule"] = Expression(request.Kind, request.At),
            ["vmid"] = vmid,
            ["storage"] = request.Storage,
            ["mode"] = "snapshot",
            ["compress"] = "zstd",
            ["enabled"] = request.IsEnabled ? "1" : "0",
            ["repeat-missed"] = request.RunMissed ? "1" : "0",
            ["notes-template"] = PointNotes.Template(IdOf(vmid), false, RequestedBackupType.Auto),
            ["comment"] = $"{CommentMark}: {(request.Kind == ScheduleKind.SixHourly ? "six-hourly" : "daily")} "
                + $"backup of {appliance.Name}",
        };
        if ((request.Retention ?? waiting) is { } limits) wanted["prune-backups"] = PruneLimits.Text(limits);

        var changes = new ApiArguments();
        foreach ((string? key, string? value) in wanted.Select(w => (w.Key, w.Value)))
            if (existing is null || !IsSame(existing.Value, key, value)) changes.Add(key, value);
        var unwanted = new List<string>();
        // Bound to one node, it would take the VM there alone, and none of its disks after a migration.
        if (existing?.Text("node") is not null) unwanted.Add("node");
        RetentionLimits? left = former == request.Storage ? null : PruneLimits.Read(existing?.Member("prune-backups"));
        if (left is not null && !wanted.ContainsKey("prune-backups")) unwanted.Add("prune-backups");
        if (unwanted.Count > 0) changes.Add("delete", string.Join(",", unwanted));
        if (left is not null && former is not null)
            await WriteRetentionMarkAsync(vmid, former, left, cancellationToken).ConfigureAwait(false);
        bool changed = !changes.IsEmpty;
        if (existing is null)
        {
            // The answer is empty, so the id must be chosen here.
            changes.Add("id", id);
            await cluster.Client.PostAsync(ApiPath.Of($"/cluster/backup"), changes, cancellationToken,
                s_modify).ConfigureAwait(false);
        }
        else if (changed)
        {
            try
            {
                await cluster.Client.PutAsync(ApiPath.Of($"/cluster/backup/{id}"), changes, cancellationToken,
                    s_modify).ConfigureAwait(false);
            }
            catch (ApiException e) when (left is not null && former is not null && e.NothingHappened)
            {
                // The job still says it. Only where the answer was lost may the mark be all that is left of it.
                await WriteRetentionMarkAsync(vmid, former, null, CancellationToken.None).ConfigureAwait(false);
                throw;
            }
        }
        // From here on the job says it. What a change whose end nobody knew has left there goes, too.
        if (RetentionMark.Parse(config.Description, vmid, request.Storage) is not null)
            await WriteRetentionMarkAsync(vmid, request.Storage, null, cancellationToken).ConfigureAwait(false);

        NativeSchedule made =
            (await ListAsync(vmid, cancellationToken).ConfigureAwait(false)).FirstOrDefault(j => j.ScheduleId == id)
            ?? throw new NataliaException(ErrorIds.ScheduleNotFound, NataliaErrorKind.InvalidOperation,
                $"'{cluster.Location}' took the backup job '{id}', but does not list it.", id);
        (IReadOnlyList<string> included, IReadOnlyList<string> omitted) = await ReadVolumesAsync(id, vmid,
            cancellationToken).ConfigureAwait(false);
        foreach (string disk in data)
            if (!included.Contains($"{vmid}:{disk}"))
                throw Omits(id, vmid, disk,
                    omitted.FirstOrDefault(o => o.StartsWith($"{vmid}:{disk} ", StringComparison.Ordinal))
                    ?? "the server does not name it");
        return made with
        {
            Warnings = repaired is null ? [] : [repaired],
            WasChanged = changed,
            IncludedDisks = [.. included],
            OmittedDisks = [.. omitted],
            NextRunsUtc = await ForeseeAsync(made.Expression, cancellationToken).ConfigureAwait(false),
        };
    }

    public Task<IReadOnlyList<NativeSchedule>> GetSchedulesAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken) =>
        ListAsync(appliance is null ? null : ProxmoxCluster.VmidOf(appliance), cancellationToken);

    internal async Task<IReadOnlyList<NativeSchedule>> ListAsync(string? vmid, CancellationToken cancellationToken)
    {
        JsonElement data = (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/backup"), cancellationToken,
            s_audit).ConfigureAwait(false)).Data;
        ClusterGuest? guest = vmid is null
            ? null
            : await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
        var defaults = new DefaultRetention(cluster.Client);
        IReadOnlyList<ClusterGuest>? guests = guest is null ? null : [guest], all = null;
        var found = new List<NativeSchedule>();
        foreach (JsonElement job in data.Items().Where(j => guest is null || Takes(j, guest)))
        {
            NativeSchedule schedule = Read(job);
            if (schedule is { RetentionSource: NativeRetentionSource.Unknown, Storage: string storage })
            {
                guests ??= await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false);
                IEnumerable<string> nodes = guests.Where(g => Takes(job, g)).Select(g => g.Node).Distinct();
                (RetentionLimits? limits, NativeRetentionSource source) = await FindDefaultAsync(defaults, storage,
                    nodes, cancellationToken).ConfigureAwait(false);
                schedule = schedule with { Retention = limits, RetentionSource = source };
            }
            IReadOnlyList<ClusterGuest> taken = guest is not null && schedule.NativeIds.SequenceEqual([guest.Vmid])
                ? [guest]
                : all ??= await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false);
            found.Add(schedule with
            {
                ApplianceNames = [.. taken.Where(g => Takes(job, g)).Select(g => g.Name)],
            });
        }
        return found;
    }

    /// <summary>
    /// What a job keeps that says nothing of it. Where its VMs are on nodes with different settings, there is no one
    /// answer.
    /// </summary>
    private static async Task<(RetentionLimits? Limits, NativeRetentionSource Source)> FindDefaultAsync(
        DefaultRetention defaults, string storage, IEnumerable<string> nodes, CancellationToken cancellationToken)
    {
        if (await defaults.OfStorageAsync(storage, cancellationToken).ConfigureAwait(false) is RetentionLimits common)
            return (common, NativeRetentionSource.Storage);
        var byNode = new HashSet<RetentionLimits?>();
        foreach (string node in nodes)
            byNode.Add((await defaults.OfNodeAsync(storage, node, cancellationToken).ConfigureAwait(false)).Limits);
        return byNode.Count == 1 && byNode.Single() is RetentionLimits all
            ? (all, NativeRetentionSource.Host)
            : (null, NativeRetentionSource.Unknown);
    }

    public async Task<NativeSchedule> RemoveScheduleAsync(string scheduleId, CancellationToken cancellationToken)
    {
        JsonElement job = await FindAsync(scheduleId, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ScheduleNotFound, NataliaErrorKind.NotFound,
                $"'{cluster.Location}' has no backup job '{scheduleId}'.", scheduleId);
        if (!IsOwn(scheduleId, job))
            throw new NataliaException(ErrorIds.ScheduleNotOwn, NataliaErrorKind.InvalidOperation,
                $"The backup job '{scheduleId}' on '{cluster.Location}' was not made by this product and is left "
                + "alone.",
                scheduleId, "Remove it under Datacenter > Backup if it is not needed.");
        // What somebody set for the VM outlives its schedule: else the storage's own retention, which may keep less,
        // would hold in its place.
        (string vmid, string storage) = (scheduleId.Substring(Prefix.Length), job.Text("storage") ?? "");
        RetentionLimits? limits = PruneLimits.Read(job.Member("prune-backups"));
        bool keeps = limits is not null && storage.Length > 0
            && (await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false)).Any(g => g.Vmid == vmid);
        if (keeps) await WriteRetentionMarkAsync(vmid, storage, limits, cancellationToken).ConfigureAwait(false);
        try
        {
            await cluster.Client.DeleteAsync(ApiPath.Of($"/cluster/backup/{scheduleId}"), null, cancellationToken,
                s_modify).ConfigureAwait(false);
        }
        catch (ApiException e) when (keeps && e.NothingHappened)
        {
            // Only then: where the answer was lost the job may be gone, and this is all that is left of it. While the
            // job stands, what it says counts; who takes that away takes the mark away, too.
            await WriteRetentionMarkAsync(vmid, storage, null, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
        return Read(job);
    }

    /// <summary>
    /// Sets what is kept of a VM in a storage, or takes it away when it is null. A job that writes to another storage
    /// stays as it is.
    /// </summary>
    /// <returns>Whether a job carries it.</returns>
    internal async Task<bool> SetRetentionAsync(string vmid, string storage, RetentionLimits? limits,
        CancellationToken cancellationToken)
    {
        string id = IdOf(vmid), text = limits is null ? "" : PruneLimits.Text(limits);
        if (await FindAsync(id, cancellationToken).ConfigureAwait(false) is { } job && job.Text("storage") == storage)
        {
            if (limits is null)
            {
                if (job.Member("prune-backups") is not null)
                    await cluster.Client.PutAsync(ApiPath.Of($"/cluster/backup/{id}"),
                        new ApiArguments { { "delete", "prune-backups" } }, cancellationToken,
                        s_modify).ConfigureAwait(false);
                // A change whose end nobody knew may have left a mark beside the job, which would count again when the
                // job is gone. It goes last: when that fails, the same call again does it.
                await WriteRetentionMarkAsync(vmid, storage, null, cancellationToken).ConfigureAwait(false);
                return true;
            }
            if (!IsSame(job, "prune-backups", text))
                await cluster.Client.PutAsync(ApiPath.Of($"/cluster/backup/{id}"),
                    new ApiArguments { { "prune-backups", text } }, cancellationToken, s_modify).ConfigureAwait(false);
            return true;
        }
        // Whoever says what to keep has also answered for the lines that nobody can read, but for those of another
        // storage.
        await new GuestNotes(cluster).ChangeAsync(vmid,
            notes => WithMark(RetentionMark.RemoveDamaged(notes, storage), vmid, storage, limits),
            cancellationToken).ConfigureAwait(false);
        return false;
    }

    /// <summary>
    /// What the own jobs that write to a storage say that they keep, by VM, and what waits for such a job in the notes
    /// of the VMs that have none. A job that says nothing leaves it to the storage, and is not among them. A VM whose
    /// notes or their mark cannot be read is added to the unreadable ones, with why: of it nothing is known.
    /// </summary>
    internal async Task<IReadOnlyDictionary<string, RetentionLimits>> GetRetentionsAsync(string storage,
        IReadOnlyList<ClusterGuest> guests, ICollection<(ClusterGuest Guest, string Damage)> unreadable,
        CancellationToken cancellationToken)
    {
        JsonElement data = (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/backup"), cancellationToken,
            s_audit).ConfigureAwait(false)).Data;
        var own = data.Items().Where(j => j.Text("storage") == storage && IsOwn(j.Text("id") ?? "", j))
            .ToDictionary(j => j.Text("id")!.Substring(Prefix.Length));
        var found = new Dictionary<string, RetentionLimits>();
        // "Everything" is a policy, too: then the storage's own does not hold for the VM.
        foreach (KeyValuePair<string, JsonElement> job in own)
            if (PruneLimits.Read(job.Value.Member("prune-backups")) is { } limits) found[job.Key] = limits;
        await InParallel.RunAsync([.. guests.Where(g => !own.ContainsKey(g.Vmid))], ParallelReads, async guest =>
        {
            (GuestConfig? config, NataliaException? problem) = await cluster.TryGetConfigAsync(guest,
                cancellationToken).ConfigureAwait(false);
            lock (found)
            {
                if (problem is not null)
                    unreadable.Add((guest,
                        $"It may stand in the VM's notes, which cannot be read now. {problem.Message}"));
                if (config is null) return;
                if (RetentionMark.Parse(config.Description, guest.Vmid, storage) is { } waiting)
                    found[guest.Vmid] = waiting;
                else if (RetentionMark.IsDamaged(config.Description, guest.Vmid, storage))
                    unreadable.Add((guest, DamagedMark));
            }
        }, cancellationToken).ConfigureAwait(false);
        return found;
    }

    /// <summary>The VMs whose own job writes to a storage. Where jobs may not be read, none is known.</summary>
    internal async Task<IReadOnlyCollection<string>> GetScheduledAsync(string storage,
        CancellationToken cancellationToken)
    {
        try
        {
            JsonElement data = (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/backup"), cancellationToken,
                s_audit).ConfigureAwait(false)).Data;
            return new HashSet<string>(data.Items()
                .Where(j => j.Text("storage") == storage && IsOwn(j.Text("id") ?? "", j))
                .Select(j => j.Text("id")!.Substring(Prefix.Length)));
        }
        catch (ApiException e) when (e.ErrorId == ErrorIds.PermissionDenied)
        {
            return [];
        }
    }

    internal static string IdOf(string vmid) => Prefix + vmid;

    /// <summary>The server evaluates it in the nodes' zone; nothing here does.</summary>
    internal static string Expression(ScheduleKind kind, TimeSpan at)
    {
        if (at < TimeSpan.Zero || at >= TimeSpan.FromDays(1))
            throw new ArgumentOutOfRangeException(nameof(at), at, "The time of day lies between 00:00 and 23:59.");
        string minutes = at.Minutes.ToString("00", CultureInfo.InvariantCulture);
        return kind switch
        {
            ScheduleKind.Daily => $"{at.Hours.ToString("00", CultureInfo.InvariantCulture)}:{minutes}",
            ScheduleKind.SixHourly =>
                string.Join(",",
                    Enumerable.Range(0, 4)
                        .Select(i => (at.Hours % 6 + 6 * i).ToString("00", CultureInfo.InvariantCulture)))
                + ":" + minutes,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Daily or SixHourly."),
        };
    }

    private static List<string> DataDisks(ApplianceDescription appliance, GuestConfig config)
    {
        var named = appliance.Disks.Where(d => d.Role == DiskRole.Data).Select(d => d.DiskId).ToList();
        if (named.Count > 0) return named;
        // Which one it is nobody said: then none of those that may be it can be missing.
        string? boot = config.BootDrive;
        var others = config.Disks.Select(d => d.Key).Where(k => k != boot).ToList();
        return others.Count > 0 ? others : [.. config.Disks.Select(d => d.Key)];
    }

    private static NataliaException Omits(string id, string vmid, string disk, string why) =>
        new(ErrorIds.ScheduleOmitsDisk, NataliaErrorKind.InvalidOperation,
        $"The backup job '{id}' would leave out the disk '{disk}' of VM {vmid}: {why}.", id,
        $"Switch on 'Backup' for {disk} in the VM's hardware.");

    private async Task<JsonElement?> FindAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            return (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/backup/{id}"), cancellationToken,
                s_audit).ConfigureAwait(false)).Data;
        }
        catch (ApiException e) when (e.Says("No such job"))
        {
            return null;
        }
    }

    private async Task<(IReadOnlyList<string> Included, IReadOnlyList<string> Omitted)> ReadVolumesAsync(string id,
        string vmid, CancellationToken cancellationToken)
    {
        JsonElement tree = (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/backup/{id}/included_volumes"),
            cancellationToken, s_audit).ConfigureAwait(false)).Data;
        var included = new List<string>();
        var omitted = new List<string>();
        foreach (JsonElement guest in tree.Member("children")?.Items() ?? [])
        {
            if (guest.Text("id") != vmid) continue;
            foreach (JsonElement volume in guest.Member("children")?.Items() ?? [])
            {
                string disk = (volume.Text("id") ?? "").Split(':').Last();
                if (volume.Flag("included") == true) included.Add($"{vmid}:{disk}");
                else omitted.Add($"{vmid}:{disk} ({volume.Text("reason")})");
            }
        }
        return (included, omitted);
    }

    private async Task<DateTime[]> ForeseeAsync(string? expression, CancellationToken cancellationToken)
    {
        if (expression is null) return [];
        JsonElement data = (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/jobs/schedule-analyze"),
            new ApiArguments { { "schedule", expression }, { "iterations", ForeseenRuns } },
            cancellationToken).ConfigureAwait(false)).Data;
        return [.. data.Items().Select(r => r.Time("timestamp")).OfType<DateTime>()];
    }

    private Task WriteRetentionMarkAsync(string vmid, string storage, RetentionLimits? limits,
        CancellationToken cancellationToken) =>
        new GuestNotes(cluster).ChangeAsync(vmid, notes => WithMark(notes, vmid, storage, limits), cancellationToken);

    private static string WithMark(string notes, string vmid, string storage, RetentionLimits? limits) =>
        limits is null
            ? RetentionMark.RemoveFrom(notes, vmid, storage)
            : RetentionMark.AddTo(notes, vmid, storage, limits);

    private static bool IsSame(JsonElement job, string key, string wanted)
    {
        if (key == "prune-backups")
            return PruneLimits.Read(job.Member(key)) is { } limits && PruneLimits.Text(limits) == wanted;
        string? actual = job.Text(key);
        return key switch
        {
            // What is absent has the server's default.
            "enabled" => (JsonTolerance.ParseFlag(actual) ?? true) == (wanted == "1"),
            "repeat-missed" => (JsonTolerance.ParseFlag(actual) ?? false) == (wanted == "1"),
            _ => actual == wanted,
        };
    }

    private static bool Takes(JsonElement job, ClusterGuest guest)
    {
        (string vmid, string? pool) = (guest.Vmid, guest.Pool);
        // A job that is bound to a node takes nothing elsewhere, whatever it names.
        if (job.Text("node") is string node && node != guest.Node) return false;
        if (job.Flag("all") == true) return !(job.Text("exclude") ?? "").Split(',', ';', ' ').Contains(vmid);
        if (job.Text("pool") is string named) return named == pool;
        return (job.Text("vmid") ?? "").Split(',', ';', ' ').Contains(vmid);
    }

    private static bool IsOwn(string id, JsonElement job) =>
        id.StartsWith(Prefix, StringComparison.Ordinal)
        && (job.Text("comment") ?? "").StartsWith(CommentMark, StringComparison.Ordinal);

    private static NativeSchedule Read(JsonElement job)
    {
        string id = job.Text("id") ?? "";
        string? expression = job.Text("schedule");
        RetentionLimits? retention = PruneLimits.Read(job.Member("prune-backups"));
        return new NativeSchedule
        {
            ScheduleId = id,
            IsOwn = IsOwn(id, job),
            NativeIds = (job.Text("vmid") ?? "").Split([',', ';', ' '], StringSplitOptions.RemoveEmptyEntries),
            Storage = job.Text("storage"),
            Expression = expression,
            Kind = expression is null
                ? ScheduleKind.Other
                : s_sixHourly.IsMatch(expression)
                    ? ScheduleKind.SixHourly
                    : s_daily.IsMatch(expression) ? ScheduleKind.Daily : ScheduleKind.Other,
            NextRunsUtc = job.Time("next-run") is DateTime next ? [next] : [],
            Retention = retention,
            RetentionSource = retention is null ? NativeRetentionSource.Unknown : NativeRetentionSource.Schedule,
            IsEnabled = job.Flag("enabled") ?? true,
        };
    }
}
