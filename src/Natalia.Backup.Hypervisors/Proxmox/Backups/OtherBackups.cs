using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>
/// Other backups that may read a VM's configuration while disks of it are left out. A run of several VMs reads it when
/// the VM's turn comes, hours after it began; so the tasks are told apart by their names, and not by any clock.
/// </summary>
internal sealed class OtherBackups(ProxmoxCluster cluster, string vmid)
{
    private const int MaximumTasks = 500;
    private static readonly TimeSpan s_lookLimit = TimeSpan.FromMinutes(2);
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private string? _node;
    private long? _since;

    /// <summary>
    /// Waits until no backup runs that may still come to the VM. Asked again, the time goes on from the first call.
    /// </summary>
    /// <returns>Whether it had to wait: what was read before may not hold any more.</returns>
    /// <exception cref="NataliaException"><c>ApplianceLocked</c>: one still runs when the time is over.</exception>
    internal async Task<bool> WaitAsync(TimeSpan lockTimeout, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        TimeProvider clock = cluster.Client.Clock;
        long since = _since ??= clock.GetTimestamp();
        bool hasWaited = false;
        while (true)
        {
            _node = (await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false)).Node;
            IReadOnlyList<(Upid Task, bool IsRunning)> tasks = await ListAsync(_node,
                cancellationToken).ConfigureAwait(false);
            Upid? running = tasks.Where(t => t.IsRunning).Select(t => t.Task).FirstOrDefault();
            if (running is null)
            {
                _known.UnionWith(tasks.Select(t => t.Task.Text));
                return hasWaited;
            }
            if (clock.GetElapsedTime(since) >= lockTimeout)
                throw new NataliaException(ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
                    $"A backup runs on node '{_node}' that may still come to VM {vmid}: task {running.Text} of "
                    + $"{running.User}, since {running.StartUtc:yyyy-MM-dd HH:mm:ss} UTC. While it runs no disk of the "
                    + "VM is left out of backups, for it would leave it out, too. Nothing was backed up.",
                    vmid,
                    "Try again when that backup has ended. A permanent backup=0 of the other disks needs no waiting.");
            progress?.Report(new OperationProgress(
                $"Waiting for another backup on node '{_node}' that may come to VM {vmid}", 0, null));
            await clock.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken).ConfigureAwait(false);
            hasWaited = true;
        }
    }

    /// <summary>
    /// Looks for others that ran meanwhile, also when the caller has stopped: their points may lack disks.
    /// </summary>
    /// <param name="mark">What was left out.</param>
    /// <param name="own">The tasks of the run itself.</param>
    /// <returns>A full sentence when there are some, or may be, else null.</returns>
    internal async Task<string?> FindAsync(LeftOutMark mark, IReadOnlyCollection<string> own)
    {
        using var limit = new CancellationTokenSource(s_lookLimit);
        try
        {
            string now = (await cluster.GetGuestAsync(vmid, limit.Token).ConfigureAwait(false)).Node;
            var others = new List<Upid>();
            foreach (string node in new[] { _node ?? now, now }.Distinct())
                others.AddRange((await ListAsync(node, limit.Token).ConfigureAwait(false)).Select(t => t.Task)
                    .Where(u => !own.Contains(u.Text)
                        // The VM moved there meanwhile: what had ended there before is not known.
                        && (node == _node ? !_known.Contains(u.Text) : u.StartUtc >= mark.SinceUtc)));
            if (others.Count > 0)
                return $"Other backups ran on node '{now}' while {string.Join(", ", mark.Disks)} of VM {vmid} were "
                    + $"left out for run {mark.RunId}: {string.Join(", ", others.Select(u => u.Text))}. Their points "
                    + "of this VM may lack those disks.";
            RightsMap rights = await cluster.GetRightsAsync(limit.Token).ConfigureAwait(false);
            return rights.Has($"/nodes/{now}", "Sys.Audit") ? null
                : $"Whether another backup ran while {string.Join(", ", mark.Disks)} of VM {vmid} were left out is not "
                    + $"known: '{cluster.Client.User}' sees its own tasks alone. Missing: Sys.Audit on /nodes/{now}.";
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            return $"Whether another backup ran while {string.Join(", ", mark.Disks)} of VM {vmid} were left out could "
                + $"not be looked up: {e.Message}";
        }
    }

    /// <summary>The node's backups of this VM, and those of several VMs, whose tasks bear no number.</summary>
    private async Task<IReadOnlyList<(Upid Task, bool IsRunning)>> ListAsync(string node,
        CancellationToken cancellationToken)
    {
        JsonElement tasks = (await cluster.Client.GetAsync(ApiPath.Of($"/nodes/{node}/tasks"),
            new ApiArguments { { "source", "all" }, { "typefilter", "vzdump" }, { "limit", MaximumTasks } },
            cancellationToken).ConfigureAwait(false)).Data;
        return
        [
            .. tasks.Items()
                .Select(t => (Task: Upid.TryParse(t.Text("upid"), out Upid u) ? u : null,
                    IsRunning: t.Text("status") is null or "RUNNING"))
                .Where(t => t.Task is not null && (t.Task.Id.Length == 0 || t.Task.Id == vmid))
                .Select(t => (t.Task!, t.IsRunning)),
        ];
    }
}
