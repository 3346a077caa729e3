namespace Natalia.Backup.Operations.Connections;

/// <summary>
/// A hypervisor that this runspace is connected to. Plain data: the connection itself stays in the runspace and is
/// found by <see cref="Name"/>.
/// </summary>
public sealed record HypervisorSession
{
    /// <summary>What the session is called; unique in its runspace.</summary>
    public required string Name { get; init; }
    /// <summary>
    /// The same under the name that other cmdlets take it by: a session that is piped in binds to their
    /// <c>-Hypervisor</c>.
    /// </summary>
    public string Hypervisor => Name;
    /// <summary><c>Folder</c>, <c>VMware</c>, <c>Proxmox</c> or <c>HyperV</c>.</summary>
    public required string Kind { get; init; }
    /// <summary>Where it is, without secrets: a full path, a host name.</summary>
    public required string Location { get; init; }
    /// <summary>When it was connected, UTC.</summary>
    public required DateTime ConnectedUtc { get; init; }

    /// <summary>The session's name.</summary>
    public override string ToString() => Name;
}
