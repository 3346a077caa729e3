using System.Management.Automation;
using Natalia.Backup.Commands;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// What Connect-NataliaHypervisor -HyperV does, where the host is simulated: elsewhere than on Windows the cmdlet
/// itself can only refuse.
/// </summary>
[Cmdlet(VerbsCommon.Add, "HyperV")]
[OutputType(typeof(HypervisorSession))]
public sealed class AddHyperVCommand : NataliaCommand
{
    [Parameter(Mandatory = true, Position = 0)]
    public object Hypervisor { get; set; } = null!;

    [Parameter(Mandatory = true)]
    public string HyperV { get; set; } = "";

    [Parameter]
    public PSCredential? Credential { get; set; }

    [Parameter]
    public string? Name { get; set; }

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        var hypervisor = (HyperVHypervisor)(Hypervisor is PSObject wrapped ? wrapped.BaseObject : Hypervisor);
        string name = Name ?? Registry.Hypervisors.GetFreeName(HyperV.Split('.')[0]);
        var session = new HypervisorSession
        {
            Name = name,
            Kind = hypervisor.Kind,
            Location = hypervisor.Location,
            ConnectedUtc = DateTime.UtcNow,
        };
        Registry.Hypervisors.Add(new HypervisorConnection(session, hypervisor, new HyperVSettings
        {
            Name = name,
            Host = HyperV,
            CredentialSecret = Credential is null ? null : "",
        }));
        Emit(session);
        return Task.CompletedTask;
    }
}
