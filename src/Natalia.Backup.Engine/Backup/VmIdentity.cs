using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Backup;

/// <summary>
/// What a tracking token belongs to. Another VM that goes on with a history has tokens of its own, even one of the
/// same name.
/// </summary>
internal static class VmIdentity
{
    /// <summary>
    /// Kind, colon, and the hypervisor's id of the VM; where it gives none, the id that was made of where the VM
    /// lies.
    /// </summary>
    /// <param name="vm">The VM as its hypervisor lists it.</param>
    internal static string Of(ApplianceDescription vm) => vm.HypervisorKind + ":" + (vm.NativeId ?? vm.ApplianceId);
}
