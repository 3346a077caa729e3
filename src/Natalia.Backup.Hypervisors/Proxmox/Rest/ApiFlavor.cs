namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>In what the interfaces of Proxmox VE and Proxmox Backup Server differ.</summary>
internal sealed record ApiFlavor(string Product, int DefaultPort, string CookieName, string TokenScheme,
    char TokenSeparator)
{
    internal static ApiFlavor VirtualEnvironment { get; } = new("Proxmox VE", 8006, "PVEAuthCookie", "PVEAPIToken",
        '=');

    internal static ApiFlavor BackupServer { get; } = new("Proxmox Backup Server", 8007, "PBSAuthCookie", "PBSAPIToken",
        ':');
}
