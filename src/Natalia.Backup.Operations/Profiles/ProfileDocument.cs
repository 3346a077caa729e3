using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Operations.Profiles;

/// <summary>What a profile file says.</summary>
internal sealed record ProfileDocument(IReadOnlyList<HypervisorSettings> Hypervisors,
    IReadOnlyList<RepositoryConnectionSettings> Repositories)
{
    /// <summary>The file in short, for the user.</summary>
    internal ConnectionProfile Describe(string path) => new()
    {
        Path = path,
        Hypervisors = [.. Hypervisors.Select(h => h.Name)],
        Repositories = [.. Repositories.Select(r => r.Name)],
        SecretNames = [.. Repositories.Concat<ConnectionSettings>(Hypervisors).SelectMany(s => s.Secrets).Distinct()],
    };
}
