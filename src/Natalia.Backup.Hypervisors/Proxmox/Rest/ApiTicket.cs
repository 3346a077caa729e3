namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>A login's proof. Never shown.</summary>
internal sealed class ApiTicket(string value, string csrfToken, DateTimeOffset issuedUtc)
{
    internal string Value => value;

    internal string CsrfToken => csrfToken;

    internal DateTimeOffset IssuedUtc => issuedUtc;

    public override string ToString() => "(ticket)";
}
