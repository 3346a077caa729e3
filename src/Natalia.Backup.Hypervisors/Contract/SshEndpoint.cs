namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Where a guest's SSH server is reached from this machine.</summary>
/// <param name="Host">A name or an address.</param>
/// <param name="Port">The port, 1 to 65535.</param>
public sealed record SshEndpoint(string Host, int Port)
{
    /// <summary>Host and port.</summary>
    public override string ToString() => FormattableString.Invariant($"{Host}:{Port}");
}
