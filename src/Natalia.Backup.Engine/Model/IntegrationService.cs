namespace Natalia.Backup.Engine.Model;

/// <summary>A service by which a hypervisor and a guest work together, as the VM's settings have it.</summary>
/// <param name="Name">Its name, as the hypervisor's own tools write it: <c>VSS</c>, <c>Heartbeat</c>.</param>
/// <param name="IsEnabled">Whether it is switched on for the VM; the guest's part of it may still not run.</param>
public sealed record IntegrationService(string Name, bool IsEnabled)
{
    /// <summary>Its name, and whether it is on.</summary>
    public override string ToString() => $"{Name} ({(IsEnabled ? "on" : "off")})";
}
