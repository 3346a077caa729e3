using System.Collections;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// What a hypervisor lists: the VMs, and what stood in the way of others. One broken VM hides none of the good ones,
/// and is not silently left out either.
/// </summary>
public sealed class ApplianceInventory : IReadOnlyList<ApplianceDescription>
{
    private readonly IReadOnlyList<ApplianceDescription> _appliances;

    /// <summary>Makes the result of a listing.</summary>
    /// <param name="appliances">The VMs.</param>
    /// <param name="problems">Why others are missing; null for none.</param>
    public ApplianceInventory(IReadOnlyList<ApplianceDescription> appliances,
        IReadOnlyList<NataliaException>? problems = null)
    {
        _appliances = appliances;
        Problems = problems ?? [];
    }

    /// <summary>Why VMs are missing from the list, one error each, for warnings; empty when none is.</summary>
    public IReadOnlyList<NataliaException> Problems { get; }

    /// <inheritdoc/>
    public int Count => _appliances.Count;

    /// <inheritdoc/>
    public ApplianceDescription this[int index] => _appliances[index];

    /// <inheritdoc/>
    public IEnumerator<ApplianceDescription> GetEnumerator() => _appliances.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
