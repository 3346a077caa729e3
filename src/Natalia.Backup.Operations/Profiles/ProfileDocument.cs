using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Profiles;

/// <summary>What a profile file says.</summary>
internal sealed record ProfileDocument(IReadOnlyList<HypervisorSettings> Hypervisors, IReadOnlyList<RepositorySettings> Repositories)
{
    /// <summary>The file in short, for the user.</summary>
    internal ConnectionProfile Describe(string path) => new()
    {
        Path = path,
        Hypervisors = [.. Hypervisors.Select(h => h.Name)],
        Repositories = [.. Repositories.Select(r => r.Name)],
        SecretNames = [.. Repositories.SelectMany(r => new[] { r.PasswordSecret, r.Bucket?.CredentialSecret, r.ShareSecret }).Concat(Hypervisors.Select(h => h.Server?.CredentialSecret)).Where(s => s is not null).Cast<string>().Distinct()],
    };
}
