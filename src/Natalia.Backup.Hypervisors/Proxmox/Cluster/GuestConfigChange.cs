using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>
/// One change of a VM's configuration, made from what the configuration is at that moment. When somebody else was
/// quicker it is read again and changed then; while another operation holds the VM, it waits.
/// </summary>
internal sealed class GuestConfigChange(ProxmoxCluster cluster, string vmid, RequiredRight right)
{
    private const int MaximumConflicts = 10;

    /// <summary>How long to wait for another operation, and for a cluster that is away.</summary>
    internal TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Whether a cluster that does not answer is waited for, too. What is asked must then be right however often it is
    /// carried out.
    /// </summary>
    internal bool IsPersistent { get; init; }

    /// <summary>True when the change was carried out, or may have been although it failed.</summary>
    internal bool MayHaveHappened { get; private set; }

    /// <summary>Makes the change.</summary>
    /// <param name="change">What to ask for, from the configuration as it is; null when it is as wanted.</param>
    /// <param name="cancellationToken">Stops it before a request, never in one.</param>
    /// <exception cref="NataliaException"><c>ApplianceLocked</c>, <c>ApplianceNotFound</c>, <c>PermissionDenied</c>,
    /// and <c>ServerError</c> when somebody else was quicker each time.</exception>
    internal async Task RunAsync(Func<GuestConfig, ApiArguments?> change, CancellationToken cancellationToken)
    {
        TimeProvider clock = cluster.Client.Clock;
        long since = clock.GetTimestamp();
        for (int conflicts = 0; ;)
        {
            TimeSpan pause;
            try
            {
                await cluster.AtGuestAsync(vmid, guest => SendAsync(guest, change, cancellationToken),
                    cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (ApiException e) when (e.IsConflict && ++conflicts < MaximumConflicts)
            {
                // Whoever was quicker may be writing several times in a row.
                pause = TimeSpan.FromMilliseconds(200 * conflicts);
            }
            catch (ApiException e) when (ProxmoxCluster.IsLockText(e.ServerText, out string by))
            {
                if (clock.GetElapsedTime(since) >= Timeout)
                    throw await cluster.LockedAsync(vmid, by, Timeout, cancellationToken).ConfigureAwait(false);
                pause = TimeSpan.FromSeconds(5);
            }
            catch (ApiException e) when (IsPersistent && IsOutage(e) && clock.GetElapsedTime(since) < Timeout)
            {
                pause = TimeSpan.FromSeconds(10);
            }
            await clock.WaitAsync(pause, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<bool> SendAsync(ClusterGuest guest, Func<GuestConfig, ApiArguments?> change,
        CancellationToken cancellationToken)
    {
        GuestConfig config = await cluster.GetConfigAsync(guest, cancellationToken).ConfigureAwait(false);
        if (change(config) is not { } arguments) return false;
        // The digest makes the server refuse when somebody changed the configuration in between.
        arguments.Add("digest", config.Digest);
        try
        {
            await cluster.Client.PutAsync(ApiPath.Of($"/nodes/{guest.Node}/qemu/{vmid}/config"), arguments,
                cancellationToken, right).ConfigureAwait(false);
        }
        catch (ApiException e)
            when (e.NothingHappened || e.IsConflict || ProxmoxCluster.IsLockText(e.ServerText, out _))
        {
            throw;
        }
        catch (ApiException)
        {
            MayHaveHappened = true;
            throw;
        }
        return MayHaveHappened = true;
    }

    /// <summary>The cluster is away, or has no majority and writes nothing until it has one again.</summary>
    private static bool IsOutage(ApiException e) =>
        e.ErrorId is ErrorIds.ServerUnreachable or ErrorIds.RequestOutcomeUnknown || e.Says("no quorum");
}
