using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>
/// What an error says of a restore point: that it is not as it should be, or only that the step could not be made.
/// </summary>
internal static class StepFailure
{
    /// <summary>
    /// Rights, connections, settings, and room for names and overlays: nothing of it speaks of the point. Everything
    /// else does: its data cannot be read, its VM does not start, its guest does not answer.
    /// </summary>
    private static readonly HashSet<string> s_circumstances = new(StringComparer.Ordinal)
    {
        ErrorIds.CapabilityMissing, ErrorIds.PermissionDenied, ErrorIds.StorageNotFound, ErrorIds.StorageNotSuitable,
        ErrorIds.NetworkNotFound, ErrorIds.ApplianceNameInUse, ErrorIds.HypervisorNotFound,
        ErrorIds.HypervisorNotConnected, ErrorIds.ServerUnreachable, ErrorIds.ServerNotTrusted, ErrorIds.ServerRefused,
        ErrorIds.ServerError, ErrorIds.ServerAnswerInvalid, ErrorIds.AuthenticationFailed, ErrorIds.SessionExpired,
        ErrorIds.SecondFactorRequired, ErrorIds.SecondFactorNotSupported, ErrorIds.RequestOutcomeUnknown,
        ErrorIds.TaskLost, ErrorIds.StoreUnavailable, ErrorIds.StoreAccessDenied, ErrorIds.StoreThrottled,
        ErrorIds.StoreCredentialRefused, ErrorIds.StoreCertificateRefused, ErrorIds.SystemLimitReached,
        ErrorIds.ObjectArchived, ErrorIds.RestorePointArchived, ErrorIds.SystemImageNotFound,
        ErrorIds.SystemImageNotSupported, ErrorIds.SystemImageDamaged, ErrorIds.DiskInUse, ErrorIds.DiskAccessDenied,
        ErrorIds.SshHostKeyNotTrusted, ErrorIds.SshHostKeyRequired, ErrorIds.SshKeyInvalid,
        ErrorIds.GuestCredentialRequired, ErrorIds.GuestCommandTimeout, ErrorIds.GuestCommandFailed,
        ErrorIds.GuestCommandInvalid, ErrorIds.AddressNotAvailable, ErrorIds.OverlayFull, ErrorIds.OverlayFailed,
    };

    /// <summary>Failed, or NotEvidenced.</summary>
    internal static CheckOutcome Judge(NataliaException failure) =>
        s_circumstances.Contains(failure.ErrorId) ? CheckOutcome.NotEvidenced : CheckOutcome.Failed;
}
