using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A vCenter, or one ESXi host.</summary>
internal sealed record VSphereSettings : CertifiedServerSettings
{
    /// <inheritdoc/>
    public override string Kind => VSphereHypervisor.KindName;

    /// <summary>The name or address of the server.</summary>
    public required string Host { get; init; }

    /// <summary>Its port.</summary>
    public int Port { get; init; } = VSphereConnectOptions.UsualPort;

    internal override string? Problem => Host.Trim().Length == 0 ? "host is empty"
        : ProblemOf(Port);

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
