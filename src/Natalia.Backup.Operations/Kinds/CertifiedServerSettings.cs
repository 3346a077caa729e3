namespace Natalia.Backup.Operations.Kinds;

/// <summary>A hypervisor that is reached by HTTPS: its certificate is checked, and a user logs in.</summary>
internal abstract record CertifiedServerSettings : HypervisorSettings
{
    /// <summary>The SHA-256 fingerprints of the certificates; empty for none.</summary>
    public IReadOnlyList<string> Thumbprints { get; init => field = value ?? []; } = [];

    /// <summary>The file with the authority, a full path; or null.</summary>
    public string? CaCertificate { get; init; }

    /// <summary>The name of the secret that holds the credential; or null when it is not known.</summary>
    public string? CredentialSecret { get; init; }

    internal override string? LoginSecret => CredentialSecret;

    internal override HypervisorSettings From(string folder) => CaCertificate is null ? this : this with
    {
        CaCertificate = Path.GetFullPath(Path.Combine(folder, CaCertificate)),
    };

    internal override HypervisorSettings WithSecrets(string? named) => this with
    {
        CredentialSecret = named ?? CredentialSecret ?? $"natalia-{Name}",
    };

    /// <summary>What <see cref="ConnectionSettings.Problem"/> says of these settings and of the port.</summary>
    private protected string? ProblemOf(int port) =>
        port is < 1 or > 65535 ? $"port is {port}, and ports go from 1 to 65535"
        : Thumbprints.Any(t => !Thumbprint.IsValid(t)) ? "thumbprints holds one that is not 64 hexadecimal digits"
        : CredentialSecret is null ? "credentialSecret is missing"
        : null;
}
