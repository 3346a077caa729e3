using System.Globalization;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// The port of this machine that leads to a test VM's SSH port. The system chose it when the VM's process was started,
/// so the running VM is asked.
/// </summary>
internal sealed class ForwardedSsh(MachineFolders folders, HostCalls calls) : ISshEndpoints
{
    private const string Loopback = "127.0.0.1";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>A line of <c>info usernet</c>: from a port of this machine alone to the guest's port 22.</summary>
    private static readonly Regex s_forward =
        new(@"^TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(?<port>\d{1,5})\s+[0-9.]+\s+22\s");

    /// <summary>Every line of <c>info usernet</c> that tells of a forwarded port.</summary>
    internal static IReadOnlyList<string> LinesOf(string forwards) =>
        [.. forwards.Split('\n').Select(l => l.Trim())
            .Where(l => l.IndexOf("HOST_FORWARD", StringComparison.Ordinal) >= 0)];

    internal static bool IsSsh(string line) => s_forward.IsMatch(line);

    public async Task<SshEndpoint?> FindSshAsync(string nativeId, CancellationToken cancellationToken)
    {
        Machine machine = calls.Make("find guest", () => folders.Find(nativeId))
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"There is no VM {nativeId}.", nativeId);
        if (machine.Test?.Network != QemuNetworks.Restricted || machine.Networks.Count == 0)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                machine.Networks.Count == 0
                    ? $"The VM '{machine.Name}' has no network adapter, so no SSH server in it can be reached."
                    : $"No port of this machine leads to the SSH server of the VM '{machine.Name}'.", nativeId,
                $"Test on the isolated network '{QemuNetworks.Restricted}', or through the guest agent.");
        string forwards = await calls.MakeAsync("find port", async () =>
        {
            using QmpClient monitor = await QmpClient.ConnectAsync(machine.Monitor!, s_patience,
                cancellationToken).ConfigureAwait(false);
            return await monitor.ExecuteLineAsync("info usernet", cancellationToken).ConfigureAwait(false);
        }).ConfigureAwait(false);
        return LinesOf(forwards).Select(l => s_forward.Match(l)).FirstOrDefault(m => m.Success) is Match found
            ? new SshEndpoint(Loopback, int.Parse(found.Groups["port"].Value, CultureInfo.InvariantCulture))
            : null;
    }
}
