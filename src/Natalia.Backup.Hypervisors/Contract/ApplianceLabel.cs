namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>What tells one VM from another, known without describing it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="ApplianceId">Its appliance id.</param>
/// <param name="NativeId">The hypervisor's own id of it.</param>
public sealed record ApplianceLabel(string Name, string ApplianceId, string NativeId);
