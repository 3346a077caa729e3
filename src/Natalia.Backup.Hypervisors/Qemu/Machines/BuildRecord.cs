namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>Says that a VM is being built, in its own description.</summary>
/// <param name="BuildId">The building's id.</param>
/// <param name="StartedUtc">When it began, UTC.</param>
internal sealed record BuildRecord(string BuildId, DateTime StartedUtc)
{
    /// <summary>
    /// When a VM that ran from served disks had all of its own, UTC: it is whole, and the record of its building alone
    /// is to go. Null before that.
    /// </summary>
    internal DateTime? MovedUtc { get; init; }
}
