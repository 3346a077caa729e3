using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Lists the hypervisors that this session is connected to.</summary>
/// <remarks>
/// <para>Shows what Connect-NataliaHypervisor and Import-NataliaProfile connected in this PowerShell session. Nothing
/// is asked of the hypervisors themselves.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaHypervisor</code>
/// <para>Lists all connected hypervisors.</para>
/// </example>
/// <example>
/// <code>Get-NataliaHypervisor -Name test* | Disconnect-NataliaHypervisor</code>
/// <para>Disconnects all whose name begins with "test".</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaHypervisor")]
[OutputType(typeof(HypervisorSession))]
public sealed class GetNataliaHypervisorCommand : NataliaCommand
{
    /// <summary>The session's name; wildcards are welcome. Left out, all are listed.</summary>
    [Parameter(Position = 0)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string[]? Name { get; set; }

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (Name is not { Length: > 0 }) DeferAway(Registry.Hypervisors);
        foreach (HypervisorConnection connection in Registry.Hypervisors.ByName(Wildcards.ParseAll(Name),
            e => EmitError(e)))
            Emit(connection.Session);
        return Task.CompletedTask;
    }
}
