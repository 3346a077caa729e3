using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: tells what backups may have left of a VM that can be neither seen nor removed as the VM is now. A
/// hypervisor that always sees and removes what is left does without it.
/// </summary>
public interface IUnreachableLeftovers
{
    /// <summary>Until when, as the end of a sentence: <c>as long as it is switched off</c>.</summary>
    string AsLongAs { get; }

    /// <summary>
    /// What was recorded for a VM and cannot be looked for now; none when
    /// <see cref="IImageSource.FindLeftoversAsync"/> sees everything. It may be gone.
    /// </summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task<IReadOnlyList<Leftover>> FindUnreachableAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken);
}
