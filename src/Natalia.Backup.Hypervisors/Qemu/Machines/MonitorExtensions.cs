using System.Text.Json;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>What is asked of a VM's monitor in more than one place.</summary>
internal static class MonitorExtensions
{
    /// <summary>Whether it is the monitor of the VM with this id.</summary>
    internal static async Task<bool> IsOfAsync(this QmpClient client, string machineId,
        CancellationToken cancellationToken)
    {
        JsonElement answer = await client.ExecuteAsync("query-uuid", null, cancellationToken).ConfigureAwait(false);
        return machineId.Equals(answer.Text("UUID"), StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The VM's state, in QEMU's own word (RunState).</summary>
    internal static async Task<string?> GetStatusAsync(this QmpClient client, CancellationToken cancellationToken) =>
        (await client.ExecuteAsync("query-status", null, cancellationToken).ConfigureAwait(false)).Text("status");

    /// <summary>Whether the VM's processors run.</summary>
    internal static async Task<bool> IsRunningAsync(this QmpClient client, CancellationToken cancellationToken) =>
        (await client.ExecuteAsync("query-status", null, cancellationToken).ConfigureAwait(false))
            .Flag("running") == true;
}
