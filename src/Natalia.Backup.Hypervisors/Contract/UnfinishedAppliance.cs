namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>A VM whose building has not ended: it is being built now, or whoever built it died.</summary>
/// <param name="NativeId">The hypervisor's id of it.</param>
/// <param name="Name">Its name.</param>
/// <param name="BuildId">The building's id, as the VM itself records it.</param>
/// <param name="StartedUtc">When the building began, UTC.</param>
public sealed record UnfinishedAppliance(string NativeId, string Name, string BuildId, DateTime StartedUtc);
