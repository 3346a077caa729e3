namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// A right that an operation needs; named when the server refuses and does not say which one is missing.
/// </summary>
internal sealed record RequiredRight(string Privilege, string Path)
{
    public override string ToString() => $"{Privilege} on {Path}";
}
