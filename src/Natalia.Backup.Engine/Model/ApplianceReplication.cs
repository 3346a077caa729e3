namespace Natalia.Backup.Engine.Model;

/// <summary>That a hypervisor copies a VM to another VM host, in the hypervisor's words.</summary>
/// <param name="Mode">Which side this VM is: <c>primary</c>, <c>replica</c>.</param>
/// <param name="State">What the replication does: <c>replicating</c>, <c>suspended</c>.</param>
/// <param name="Health">How the hypervisor judges it: <c>ok</c>, <c>warning</c>, <c>critical</c>.</param>
public sealed record ApplianceReplication(string Mode, string State, string Health)
{
    /// <summary>All three.</summary>
    public override string ToString() => $"{Mode}, {State} ({Health})";
}
