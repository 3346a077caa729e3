using System.Security;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>How a Proxmox VE cluster is reached. Shows no secret.</summary>
public sealed class ProxmoxConnectOptions
{
    /// <summary>
    /// Names or addresses of nodes of one cluster, the preferred one first; with <c>:port</c> where one differs.
    /// </summary>
    public required IReadOnlyList<string> Hosts { get; init; }
    /// <summary>The port of those hosts that name none.</summary>
    public int Port { get; init; } = 8006;
    /// <summary><c>user@realm</c>, or <c>user@realm!token</c> for an API token.</summary>
    public required string User { get; init; }
    /// <summary>The password, or the token's secret. A copy is kept until the hypervisor is disposed.</summary>
    public required SecureString Secret { get; init; }
    /// <summary>The code of a second factor, good for this login only; or null.</summary>
    public string? OneTimeCode { get; init; }
    /// <summary>
    /// The SHA-256 fingerprints of the hosts' certificates: each node has its own. Empty leaves the decision to the
    /// authority file or to the system.
    /// </summary>
    public IReadOnlyList<string> CertificateThumbprints { get; init; } = [];
    /// <summary>A file with the authority that signs the hosts' certificates; or null.</summary>
    public string? AuthorityFile { get; init; }
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
    /// <summary>Told one line per request, without any argument's value; from any thread. Or null.</summary>
    public Action<string>? Trace { get; init; }

    /// <summary>The user and the hosts.</summary>
    public override string ToString() => $"{User} at {string.Join(",", Hosts)}";
}
