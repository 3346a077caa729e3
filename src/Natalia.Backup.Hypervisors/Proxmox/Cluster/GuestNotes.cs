using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>
/// Changes a VM's notes, where the product keeps what Proxmox has no place for. What people wrote there stays as it is.
/// </summary>
internal sealed class GuestNotes(ProxmoxCluster cluster)
{
    /// <summary>
    /// Enough for what is over in a moment. A backup can take hours: then an error that names it is worth more than
    /// silence.
    /// </summary>
    private static readonly TimeSpan s_lockTimeout = TimeSpan.FromSeconds(20);

    /// <summary>
    /// Changes the notes. When somebody changes the VM in the same moment, reads again; while another operation holds
    /// the VM, waits for a moment.
    /// </summary>
    /// <param name="vmid">The VM.</param>
    /// <param name="change">The new notes, from the old ones; asked again when somebody was quicker.</param>
    internal Task ChangeAsync(string vmid, Func<string, string> change, CancellationToken cancellationToken) =>
        new GuestConfigChange(cluster, vmid,
            new RequiredRight("VM.Config.Options", $"/vms/{vmid}"))
        { Timeout = s_lockTimeout }.RunAsync(config =>
        {
            // The server puts a line break behind whatever is written.
            string before = config.Description.TrimEnd('\n'), after = change(before);
            return after == before
                ? null
                : after.Length == 0
                    ? new ApiArguments { { "delete", "description" } }
                    : new ApiArguments { { "description", after } };
        }, cancellationToken);
}
