namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>Says that a VM is being built, in its own description.</summary>
/// <param name="BuildId">The building's id.</param>
/// <param name="StartedUtc">When it began, UTC.</param>
internal sealed record BuildRecord(string BuildId, DateTime StartedUtc);
