using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A failure of a restore over an existing VM, after which that VM may hold the point, whole or half. The message says
/// what is known of it.
/// </summary>
public sealed class OverwrittenVMException : NataliaException
{
    /// <summary>Makes an error.</summary>
    /// <param name="errorId">A constant of <see cref="ErrorIds"/>.</param>
    /// <param name="kind">What kind of trouble it is.</param>
    /// <param name="message">A full sentence that names the VM.</param>
    /// <param name="target">The hypervisor's id of the VM.</param>
    /// <param name="recommendedAction">What to do about it.</param>
    /// <param name="innerException">What was caught, where something was.</param>
    public OverwrittenVMException(string errorId, NataliaErrorKind kind, string message, string target,
        string recommendedAction, Exception? innerException = null)
        : base(errorId, kind, message, target, recommendedAction, innerException)
    {
    }
}
