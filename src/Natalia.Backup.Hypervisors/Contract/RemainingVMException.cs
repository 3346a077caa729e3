using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A failure after which a VM may stand on the hypervisor, half-made and without its mark, so that no search finds it.
/// The message names it, and says why it is not removed.
/// </summary>
public sealed class RemainingVMException : NataliaException
{
    /// <summary>Makes an error.</summary>
    /// <param name="errorId">A constant of <see cref="ErrorIds"/>.</param>
    /// <param name="kind">What kind of trouble it is.</param>
    /// <param name="message">A full sentence that names the VM.</param>
    /// <param name="target">The hypervisor's id of the VM.</param>
    /// <param name="recommendedAction">What to do about it.</param>
    /// <param name="innerException">What was caught, where something was.</param>
    public RemainingVMException(string errorId, NataliaErrorKind kind, string message, string target,
        string recommendedAction, Exception? innerException = null)
        : base(errorId, kind, message, target, recommendedAction, innerException)
    {
    }
}
