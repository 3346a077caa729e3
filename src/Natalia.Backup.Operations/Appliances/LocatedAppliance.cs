using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>A VM and the connection that shows it.</summary>
internal sealed record LocatedAppliance(HypervisorConnection Hypervisor, ApplianceDescription Description);
