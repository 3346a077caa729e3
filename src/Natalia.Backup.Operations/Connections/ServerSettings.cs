namespace Natalia.Backup.Operations.Connections;

/// <summary>What it takes to reach a server again, without its secret.</summary>
internal sealed record ServerSettings
{
    /// <summary>Names or addresses, the preferred one first.</summary>
    public required IReadOnlyList<string> Hosts { get; init; }
    /// <summary>The port of those that name none.</summary>
    public required int Port { get; init; }
    /// <summary>The SHA-256 fingerprints of the certificates; empty for none.</summary>
    public IReadOnlyList<string> Thumbprints { get; init; } = [];
    /// <summary>The file with the authority, a full path; or null.</summary>
    public string? AuthorityFile { get; init; }
    /// <summary>The name of the secret that holds the credential; or null when it is not known.</summary>
    public string? CredentialSecret { get; init; }

    /// <summary>True when both lead to the same place.</summary>
    public bool LeadsTo(ServerSettings? other) => other is not null && Port == other.Port && Hosts.SequenceEqual(other.Hosts, StringComparer.OrdinalIgnoreCase);
}
