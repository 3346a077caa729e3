using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>Changes a VM's notes, where the product keeps what Proxmox has no place for. What people wrote there stays as it is.</summary>
internal sealed class GuestNotes(ProxmoxCluster cluster)
{
    private const int MaximumTries = 5;
    /// <summary>Enough for what is over in a moment. A backup can take hours: then an error that names it is worth more than silence.</summary>
    private static readonly TimeSpan s_lockTimeout = TimeSpan.FromSeconds(20);

    /// <summary>Changes the notes. When somebody changes the VM in the same moment, reads again; while another operation holds the VM, waits for a moment.</summary>
    /// <param name="vmid">The VM.</param>
    /// <param name="change">The new notes, from the old ones; asked again when somebody was quicker.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal async Task ChangeAsync(string vmid, Func<string, string> change, CancellationToken cancellationToken)
    {
        DateTimeOffset since = cluster.Client.Clock.GetUtcNow();
        for (int tries = 0; ;)
        {
            try
            {
                await cluster.AtGuestAsync(vmid, async guest =>
                {
                    GuestConfig config = await cluster.GetConfigAsync(guest, cancellationToken).ConfigureAwait(false);
                    // The server puts a line break behind whatever is written.
                    string before = config.Description.TrimEnd('\n'), after = change(before);
                    if (after == before) return true;
                    var arguments = new ApiArguments { { "digest", config.Digest } };
                    if (after.Length == 0) arguments.Add("delete", "description");
                    else arguments.Add("description", after);
                    await cluster.Client.PutAsync(ApiPath.Of($"/nodes/{guest.Node}/qemu/{vmid}/config"), arguments, cancellationToken, new RequiredRight("VM.Config.Options", $"/vms/{vmid}")).ConfigureAwait(false);
                    return true;
                }, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (ApiException e) when (e.Says("detected modified configuration") && ++tries < MaximumTries)
            {
                // Somebody else was quicker: read again and change that.
            }
            catch (ApiException e) when (ProxmoxCluster.IsLockText(e.ServerText, out string by))
            {
                if (cluster.Client.Clock.GetUtcNow() - since >= s_lockTimeout) throw await cluster.LockedAsync(vmid, by, s_lockTimeout, cancellationToken).ConfigureAwait(false);
                await Clocks.DelayAsync(cluster.Client.Clock, TimeSpan.FromSeconds(5), cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
