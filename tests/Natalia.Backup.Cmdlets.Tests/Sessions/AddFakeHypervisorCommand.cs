using System.Management.Automation;
using Natalia.Backup.Cmdlets.Tests.Fakes;
using Natalia.Backup.Commands;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Cmdlets.Tests.Sessions;

/// <summary>Connects a fake hypervisor: <c>Add-Fake $hypervisor -Name NAME</c>.</summary>
[Cmdlet(VerbsCommon.Add, "Fake")]
[OutputType(typeof(HypervisorSession))]
public sealed class AddFakeHypervisorCommand : NataliaCommand
{
    [Parameter(Mandatory = true, Position = 0)]
    public object Hypervisor { get; set; } = null!;

    [Parameter(Mandatory = true)]
    public string Name { get; set; } = "";

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        object given = Hypervisor is PSObject wrapped ? wrapped.BaseObject : Hypervisor;
        HypervisorConnection connection = given is FakeHypervisor fake
            ? fake.Connect(Name)
            : Connect((IHypervisor)given);
        Registry.Hypervisors.Add(connection);
        Emit(connection.Session);
        return Task.CompletedTask;
    }

    private HypervisorConnection Connect(IHypervisor hypervisor) => new(
        new HypervisorSession
        {
            Name = Name,
            Kind = hypervisor.Kind,
            Location = hypervisor.Location,
            ConnectedUtc = DateTime.UnixEpoch,
        }, hypervisor,
        new FolderHypervisorSettings { Name = Name, Path = hypervisor.Location });
}
