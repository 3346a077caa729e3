using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A Proxmox VE cluster.</summary>
internal sealed record ProxmoxSettings : HypervisorSettings
{
    /// <inheritdoc/>
    public override string Kind => ProxmoxHypervisor.KindName;

    /// <summary>Names or addresses of nodes, the preferred one first.</summary>
    public required IReadOnlyList<string> Hosts { get; init; }

    /// <summary>The port of those that name none.</summary>
    public required int Port { get; init; }

    /// <summary>The SHA-256 fingerprints of the certificates; empty for none.</summary>
    public IReadOnlyList<string> Thumbprints { get; init => field = value ?? []; } = [];

    /// <summary>The file with the authority, a full path; or null.</summary>
    public string? CaCertificate { get; init; }

    /// <summary>The name of the secret that holds the credential; or null when it is not known.</summary>
    public string? CredentialSecret { get; init; }

    internal override string? LoginSecret => CredentialSecret;

    internal override string? Problem => Hosts.Count == 0 ? "hosts is empty"
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
        other is ProxmoxSettings cluster && Port == cluster.Port
        && Hosts.SequenceEqual(cluster.Hosts, StringComparer.OrdinalIgnoreCase);

    internal override async Task<IHypervisor> OpenAsync(UserCredential? credential,
        CancellationToken cancellationToken) =>
        await ProxmoxHypervisor.ConnectAsync(new ProxmoxConnectOptions
        {
            Hosts = Hosts,
            Port = Port,
            User = credential!.UserName,
            Secret = credential.Password,
            OneTimeCode = credential.OneTimeCode,
            CertificateThumbprints = Thumbprints,
            AuthorityFile = CaCertificate,
        }, cancellationToken).ConfigureAwait(false);

    internal override Task<IReadOnlyCollection<string>> FindMachinesAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyCollection<string>>(Hosts);
}
