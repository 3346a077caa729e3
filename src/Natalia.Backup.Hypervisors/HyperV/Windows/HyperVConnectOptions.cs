using System.Security;

namespace Natalia.Backup.Hypervisors.HyperV.Windows;

/// <summary>How a Hyper-V host is connected to.</summary>
public sealed record HyperVConnectOptions
{
    /// <summary>The host's name. Kerberos knows names and no addresses.</summary>
    public required string Host { get; init; }
    /// <summary>The way to it.</summary>
    public HyperVTransport Transport { get; init; }
    /// <summary>Who connects, <c>DOMAIN\user</c> or <c>user@domain</c>; null for whoever runs this.</summary>
    public string? User { get; init; }
    /// <summary>The user's password; belongs to the caller.</summary>
    public SecureString? Password { get; init; }
    /// <summary>Whether WS-Management goes over HTTPS, whose certificate is checked.</summary>
    public bool UseSsl { get; init; }
    /// <summary>The port of WS-Management; null for 5985, or 5986 with HTTPS.</summary>
    public int? Port { get; init; }
}
