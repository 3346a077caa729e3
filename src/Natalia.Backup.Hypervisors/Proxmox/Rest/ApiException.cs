using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// An operation that the server, or the way to it, did not carry out. Holds what it said; never the values of
/// arguments.
/// </summary>
internal sealed class ApiException : NataliaException
{
    internal ApiException(string errorId, NataliaErrorKind kind, string message, string? target = null,
        string? recommendedAction = null, Exception? innerException = null)
        : base(errorId, kind, message, target, recommendedAction, innerException)
    {
    }

    /// <summary>The HTTP status; 0 when there was no answer.</summary>
    internal int Status { get; init; }

    /// <summary>What the server said, all places where it says something put together.</summary>
    internal string ServerText { get; init; } = "";

    /// <summary>The arguments that it did not take, with its reasons.</summary>
    internal IReadOnlyDictionary<string, string> ArgumentErrors { get; init; } = new Dictionary<string, string>();

    /// <summary>True when it is certain that nothing was carried out.</summary>
    internal bool NothingHappened { get; init; }

    /// <summary>
    /// True when the node that was asked could not reach another one: that node is down, and the cluster is not.
    /// </summary>
    internal bool IsSilentNode => ErrorId == ErrorIds.ServerUnreachable && Status != 0;

    /// <summary>
    /// True when what was to be changed had changed since it was read. The words differ between operations, and one of
    /// them had a slip until October 2024.
    /// </summary>
    internal bool IsConflict =>
        Says("detected modified configuration") || Says("checksum mismatch") || Says("checksum missmatch");

    internal bool Says(string text) => ServerText.IndexOf(text, StringComparison.OrdinalIgnoreCase) >= 0;
}
