using Natalia.Backup.Engine.Model;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Appliances;

/// <summary>A VM and the connection that shows it.</summary>
internal sealed record LocatedAppliance(HypervisorConnection Hypervisor, ApplianceDescription Description);
