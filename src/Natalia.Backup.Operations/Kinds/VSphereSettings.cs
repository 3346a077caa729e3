using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A vCenter, or one ESXi host.</summary>
internal sealed record VSphereSettings : HypervisorSettings
{
    /// <inheritdoc/>
    public override string Kind => VSphereHypervisor.KindName;

    /// <summary>The name or address of the server.</summary>
    public required string Host { get; init; }

    /// <summary>Its port.</summary>
    public int Port { get; init; } = VSphereConnectOptions.UsualPort;

    /// <summary>The SHA-256 fingerprints of the certificates; empty for none.</summary>
    public IReadOnlyList<string> Thumbprints { get; init => field = value ?? []; } = [];

    /// <summary>The file with the authority, a full path; or null.</summary>
    public string? CaCertificate { get; init; }

    /// <summary>The name of the secret that holds the credential; or null when it is not known.</summary>
    public string? CredentialSecret { get; init; }

    internal override string? LoginSecret => CredentialSecret;

    internal override string? Problem => Host.Trim().Length == 0 ? "host is empty"
        : Port is < 1 or > 65535 ? $"port is {Port}, and ports go from 1 to 65535"
        : Thumbprints.Any(t => !Thumbprint.IsValid(t)) ? "thumbprints holds one that is not 64 hexadecimal digits"
        : CredentialSecret is null ? "credentialSecret is missing"
        : null;

    internal override HypervisorSettings From(string folder) => CaCertificate is null ? this : this with
    {
        CaCertificate = Path.GetFullPath(Path.Combine(folder, CaCertificate)),
    };

    internal override HypervisorSettings WithSecrets(string? named) => this with
    {
        CredentialSecret = named ?? CredentialSecret ?? $"natalia-{Name}",
    };

    internal override bool LeadsTo(HypervisorSettings other) =>
        other is VSphereSettings server && Port == server.Port
        && string.Equals(Host, server.Host, StringComparison.OrdinalIgnoreCase);

    internal override async Task<IHypervisor> OpenAsync(UserCredential? credential,
        CancellationToken cancellationToken) =>
        await VSphereHypervisor.ConnectAsync(new VSphereConnectOptions
        {
            Host = Host,
            Port = Port,
            User = credential!.UserName,
            Secret = credential.Password,
            CertificateThumbprints = Thumbprints,
            AuthorityFile = CaCertificate,
        }, cancellationToken).ConfigureAwait(false);

    internal override Task<IReadOnlyCollection<string>> FindMachinesAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyCollection<string>>([Host]);
}
