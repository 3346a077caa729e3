using System.Security;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>How a vCenter or an ESXi host is reached. Shows no secret.</summary>
public sealed class VSphereConnectOptions
{
    /// <summary>The usual port.</summary>
    public const int UsualPort = 443;

    /// <summary>The name or address of the server.</summary>
    public required string Host { get; init; }
    /// <summary>Its port.</summary>
    public int Port { get; init; } = UsualPort;
    /// <summary>The user: <c>backup@vsphere.local</c>, <c>DOMAIN\user</c>, <c>root</c> of an ESXi host.</summary>
    public required string User { get; init; }
    /// <summary>The password. A copy is kept until the hypervisor is disposed: a session that ran out is
    /// renewed.</summary>
    public required SecureString Secret { get; init; }
    /// <summary>
    /// SHA-256 fingerprints of certificates: that of the server, and those of ESXi hosts where it does not tell them.
    /// Empty leaves the decision to the authority file or to the system.
    /// </summary>
    public IReadOnlyList<string> CertificateThumbprints { get; init; } = [];
    /// <summary>A file with the authority that signed the certificates (VMCA's root); or null.</summary>
    public string? AuthorityFile { get; init; }
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
    /// <summary>Told one line per request, without any argument's value; from any thread. Or null.</summary>
    public Action<string>? Trace { get; init; }

    /// <summary>The user and the host.</summary>
    public override string ToString() => $"{User} at {Host}";
}
