namespace Natalia.Backup.Operations.Connections;

/// <summary>What it takes to connect to a hypervisor again, without its secret.</summary>
internal sealed record HypervisorSettings
{
    /// <summary>The session's name.</summary>
    public required string Name { get; init; }
    /// <summary>The kind of hypervisor; only <c>Folder</c> has a <see cref="Path"/>.</summary>
    public required string Kind { get; init; }
    /// <summary>The folder, a full path; empty for a server.</summary>
    public string Path { get; init; } = "";
    /// <summary>The server, of which a folder has none.</summary>
    public ServerSettings? Server { get; init; }
}
