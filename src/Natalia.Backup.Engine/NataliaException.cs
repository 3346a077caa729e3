namespace Natalia.Backup.Engine;

/// <summary>
/// What kind of trouble a <see cref="NataliaException"/> reports. The cmdlet layer maps each to one PowerShell error
/// category.
/// </summary>
public enum NataliaErrorKind
{
    /// <summary>Not classified. Only for errors that no code path foresaw.</summary>
    Unknown = 0,
    /// <summary>An argument or a description file says something that cannot be meant.</summary>
    InvalidArgument,
    /// <summary>The current state forbids the operation.</summary>
    InvalidOperation,
    /// <summary>What was named is not there.</summary>
    NotFound,
    /// <summary>What was to be made is there already.</summary>
    AlreadyExists,
    /// <summary>Stored bytes are not what was written: damaged, truncated or forged.</summary>
    InvalidData,
    /// <summary>Password, key or ticket was refused.</summary>
    Authentication,
    /// <summary>Known to the other side, but not allowed.</summary>
    PermissionDenied,
    /// <summary>Somebody else holds what is needed.</summary>
    ResourceBusy,
    /// <summary>The other side cannot be reached or has gone away.</summary>
    Connection,
    /// <summary>Something that is needed is absent, or has too little room.</summary>
    ResourceUnavailable,
    /// <summary>Reading from a disk, share or server failed.</summary>
    ReadFailed,
    /// <summary>Writing to a disk, share or server failed.</summary>
    WriteFailed,
    /// <summary>A deadline passed.</summary>
    Timeout,
    /// <summary>A limit of the format, of a server or of a policy was exceeded.</summary>
    LimitExceeded,
    /// <summary>A capability that this hypervisor, store or system does not have.</summary>
    NotSupported,
    /// <summary>Trust is broken: a certificate, a signature or the audit chain.</summary>
    Security,
}

/// <summary>
/// The one exception of the product for trouble that a user can act on. The engine throws it and the cmdlets turn it
/// into an error record of the same id.
/// </summary>
/// <remarks>
/// <see cref="ErrorId"/> is public interface: scripts compare it. It is Pascal case, never localised, never built from
/// run-time data, and is listed in <see cref="ErrorIds"/> and in <c>about_NataliaErrors</c>. Messages are full
/// sentences that name the object, and never hold a secret.
/// </remarks>
public class NataliaException : Exception
{
    /// <summary>Makes an error.</summary>
    /// <param name="errorId">A constant of <see cref="ErrorIds"/>.</param>
    /// <param name="kind">What kind of trouble it is.</param>
    /// <param name="message">A full sentence that names the object concerned. What would command a terminal is made
    /// visible in it (<see cref="DisplayText"/>).</param>
    /// <param name="target">The object concerned, as text that a person recognises: a name, a path, an id.</param>
    /// <param name="recommendedAction">What to do about it, where that is known.</param>
    /// <param name="innerException">What was caught, where something was.</param>
    public NataliaException(string errorId, NataliaErrorKind kind, string message, string? target = null,
        string? recommendedAction = null, Exception? innerException = null)
        : base(DisplayText.Clean(message), innerException)
    {
        ErrorId = errorId;
        Kind = kind;
        Target = target;
        RecommendedAction = recommendedAction is null ? null : DisplayText.Clean(recommendedAction);
    }

    /// <summary>The stable id of the error.</summary>
    public string ErrorId { get; }

    /// <summary>What kind of trouble it is.</summary>
    public NataliaErrorKind Kind { get; }

    /// <summary>The object concerned, or null.</summary>
    public string? Target { get; }

    /// <summary>What to do about it, or null.</summary>
    public string? RecommendedAction { get; }
}
