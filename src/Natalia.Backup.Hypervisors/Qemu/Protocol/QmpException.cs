using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Protocol;

/// <summary>QEMU, or the agent in a guest, has refused a command.</summary>
/// <param name="peer">Who.</param>
/// <param name="command">What.</param>
/// <param name="errorClass">The class of the error, as the protocol has it.</param>
/// <param name="text">What it says.</param>
internal sealed class QmpException(string peer, string command, string errorClass, string text)
    : NataliaException(ErrorIds.ServerRefused, NataliaErrorKind.InvalidOperation,
        $"{peer} refused '{command}': {text}", peer)
{
    internal string ErrorClass => errorClass;

    internal string ServerText => text;

    /// <summary>Whether the command is unknown there, or not allowed, for good or at this moment.</summary>
    internal bool IsCommandDisabled =>
        errorClass == "CommandNotFound"
        || text.IndexOf("has been disabled", StringComparison.OrdinalIgnoreCase) >= 0;
}
