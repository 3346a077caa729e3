using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A Proxmox VE cluster.</summary>
internal sealed record ProxmoxSettings : CertifiedServerSettings
{
    /// <inheritdoc/>
    public override string Kind => ProxmoxHypervisor.KindName;

    /// <summary>Names or addresses of nodes, the preferred one first.</summary>
    public required IReadOnlyList<string> Hosts { get; init; }

    /// <summary>The port of those that name none.</summary>
    public required int Port { get; init; }

    internal override string? Problem => Hosts.Count == 0 ? "hosts is empty"
        : ProblemOf(Port);

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
