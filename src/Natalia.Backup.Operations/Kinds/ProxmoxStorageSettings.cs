using Natalia.Backup.Hypervisors.Proxmox;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A backup storage of a Proxmox VE cluster.</summary>
internal sealed record ProxmoxStorageSettings : HypervisorStorageSettings
{
    /// <inheritdoc/>
    public override string Kind => ProxmoxHypervisor.KindName;
}
