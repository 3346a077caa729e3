using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Profiles;

/// <summary>What a profile file holds, in short.</summary>
public sealed record ConnectionProfile
{
    /// <summary>The file: a full path.</summary>
    public required string Path { get; init; }
    /// <summary>The names of the hypervisor sessions in it.</summary>
    public IReadOnlyList<string> Hypervisors { get; init => field = ItemList.Of(value); } = ItemList.Of<string>([]);
    /// <summary>The names of the repository sessions in it.</summary>
    public IReadOnlyList<string> Repositories { get; init => field = ItemList.Of(value); } = ItemList.Of<string>([]);
    /// <summary>
    /// The names of those sessions that could not be connected just now; empty where nothing was tried.
    /// </summary>
    public IReadOnlyList<string> NotConnected { get; init => field = ItemList.Of(value); } = ItemList.Of<string>([]);
    /// <summary>The names of the secrets that connecting needs; each must be known to the secret resolver.</summary>
    public IReadOnlyList<string> SecretNames { get; init => field = ItemList.Of(value); } = ItemList.Of<string>([]);

    /// <summary>The path.</summary>
    public override string ToString() => Path;
}
