using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Hypervisors.HyperV.Windows;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A Hyper-V host, or the failover cluster that it belongs to.</summary>
internal sealed record HyperVSettings : HypervisorSettings
{
    /// <inheritdoc/>
    public override string Kind => HyperVHypervisor.KindName;

    /// <summary>The host's name.</summary>
    public required string Host { get; init; }

    /// <summary>The way to it.</summary>
    public HyperVTransport Transport { get; init; }

    /// <summary>Whether WS-Management goes over HTTPS.</summary>
    public bool UseSsl { get; init; }

    /// <summary>The port of WS-Management, or null for its usual one.</summary>
    public int? Port { get; init; }

    /// <summary>
    /// The name of the secret that holds the user; empty when one was given and it has no name yet, null when the
    /// account that runs the command is taken.
    /// </summary>
    public string? CredentialSecret { get; init; }

    internal override string? LoginSecret => CredentialSecret;

    internal override string? Problem =>
        Host.Trim().Length == 0 ? "host is empty"
        : Port is < 1 or > 65535 ? $"port is {Port}, and ports go from 1 to 65535"
        : Transport != HyperVTransport.WSMan && (UseSsl || Port is not null)
            ? "useSsl and port are settings of the transport WSMan"
        : Transport == HyperVTransport.Local && CredentialSecret is not null
            ? "the transport Local takes no credential"
        : null;

    internal override HypervisorSettings WithSecrets(string? named) => this with
    {
        CredentialSecret = CredentialSecret is null ? null
            : named ?? (CredentialSecret.Length > 0 ? CredentialSecret : $"natalia-{Name}"),
    };

    internal override bool LeadsTo(HypervisorSettings other) =>
        other is HyperVSettings host && string.Equals(host.Host, Host, StringComparison.OrdinalIgnoreCase);

    internal override async Task<IHypervisor> OpenAsync(UserCredential? credential,
        CancellationToken cancellationToken) =>
        await HyperVHypervisor.ConnectAsync(new HyperVConnectOptions
        {
            Host = Host,
            Transport = Transport,
            User = credential?.UserName,
            Password = credential?.Password,
            UseSsl = UseSsl,
            Port = Port,
        }, cancellationToken).ConfigureAwait(false);

    internal override Task<IReadOnlyCollection<string>> FindMachinesAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyCollection<string>>([Host]);
}
