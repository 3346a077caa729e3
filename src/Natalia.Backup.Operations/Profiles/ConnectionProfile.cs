namespace Natalia.Backup.Operations.Profiles;

/// <summary>What a profile file holds, in short.</summary>
public sealed record ConnectionProfile
{
    /// <summary>The file: a full path.</summary>
    public required string Path { get; init; }
    /// <summary>The names of the hypervisor sessions in it.</summary>
    public string[] Hypervisors { get; init; } = [];
    /// <summary>The names of the repository sessions in it.</summary>
    public string[] Repositories { get; init; } = [];
    /// <summary>
    /// The names of those sessions that could not be connected just now; empty where nothing was tried.
    /// </summary>
    public string[] NotConnected { get; init; } = [];
    /// <summary>The names of the secrets that connecting needs; each must be known to the secret resolver.</summary>
    public string[] SecretNames { get; init; } = [];

    /// <summary>The path.</summary>
    public override string ToString() => Path;
}
