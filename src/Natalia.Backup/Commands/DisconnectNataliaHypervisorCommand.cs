using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Disconnects this PowerShell session from a hypervisor.</summary>
/// <remarks>
/// <para>Closes the connection and forgets its name. The storages of a Proxmox VE cluster that
/// Connect-NataliaRepository connected work through it alone, and are disconnected with it. The end of the PowerShell
/// session and the removal of the module do the same for all connections.</para>
/// </remarks>
/// <example>
/// <code>Disconnect-NataliaHypervisor exports</code>
/// <para>Closes the connection named "exports".</para>
/// </example>
/// <example>
/// <code>Get-NataliaHypervisor | Disconnect-NataliaHypervisor</code>
/// <para>Closes all connections, for instance at the end of a runbook.</para>
/// </example>
[Cmdlet(VerbsCommunications.Disconnect, "NataliaHypervisor", SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(void))]
public sealed class DisconnectNataliaHypervisorCommand : NataliaCommand
{
    /// <summary>
    /// The session to close: the object that Connect-NataliaHypervisor returned, its name, or a wildcard.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [Alias("Name")]
    [HypervisorReference]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string[] Hypervisor { get; set; } = [];

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<AwayConnection> away = [.. Registry.Hypervisors.Away
            .Where(a => Hypervisor.Any(name => Wildcards.Parse(name).MayMean(a.Name)))];
        foreach (AwayConnection one in away)
        {
            if (await ShouldProcessAsync($"{one.Name} (not connected)", "Do without it").ConfigureAwait(false))
                Registry.Hypervisors.ForgetAway(one.Name);
        }
        List<string> others = [.. Hypervisor
            .Where(name => Registry.Hypervisors.Find(name) is not null
                || !away.Any(a => Wildcards.Parse(name).Is(a.Name)))];
        if (others.Count == 0) return;
        foreach (HypervisorConnection connection in Registry.Hypervisors.ByName(Wildcards.ParseAll(others),
            e => EmitError(e)))
        {
            string storages = string.Join(", ", Registry.StoragesOf(connection).Select(s => $"'{s.Name}'"));
            if (await ShouldProcessAsync($"{connection.Name} ({connection.Session.Location})",
                storages.Length == 0
                    ? "Disconnect"
                    : $"Disconnect, with its storages {storages}").ConfigureAwait(false))
                Registry.Remove(connection);
        }
    }
}
