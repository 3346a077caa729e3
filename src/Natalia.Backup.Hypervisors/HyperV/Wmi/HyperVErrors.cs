using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.HyperV.Wmi;

/// <summary>Turns what a Hyper-V host refuses into an error that a person can act on.</summary>
internal static class HyperVErrors
{
    /// <summary>A call that came to no answer.</summary>
    internal static NataliaException From(string host, string what, CimFaultException e) => e.Fault switch
    {
        CimFault.AccessDenied => new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
            $"The Hyper-V host '{host}' denies {what}: {Trim(e.Message)}", host,
            "The user needs to be in the host's groups Hyper-V Administrators and, over WS-Man, Remote Management "
            + "Users.", e),
        CimFault.Transport => new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection,
            $"The Hyper-V host '{host}' was not reached for {what}: {Trim(e.Message)}", host,
            "Check the name, the network and that WinRM runs there (Enable-PSRemoting); by address, or outside of a "
            + "domain, TrustedHosts or HTTPS is needed.", e),
        CimFault.NoSuchClass => new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.NotFound,
            $"'{host}' has no Hyper-V that answers {what}: {Trim(e.Message)}", host,
            "Name a computer that has the Hyper-V role, Windows Server 2016 or newer, and see that its service vmms "
            + "runs.", e),
        CimFault.AnswerTooLarge => new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.LimitExceeded,
            $"The answer of '{host}' to {what} is larger than WS-Man lets through: {Trim(e.Message)}", host,
            "Raise MaxEnvelopeSizekb in the host's WinRM.", e),
        CimFault.NotFound => new NataliaException(ErrorIds.ServerRefused, NataliaErrorKind.NotFound,
            $"What {what} is about is not on '{host}' any more: {Trim(e.Message)}", host, null, e),
        _ => new NataliaException(ErrorIds.ServerError, NataliaErrorKind.InvalidOperation,
            $"The Hyper-V host '{host}' failed at {what}: {Trim(e.Message)}", host,
            "Look at the event log Microsoft-Windows-Hyper-V-VMMS-Admin of the host.", e),
    };

    /// <summary>A method that was refused with a code of its own.</summary>
    internal static NataliaException Refused(string host, string className, string method, long code)
    {
        string means = ReturnCodes.Describe(className, method, code);
        (string id, NataliaErrorKind kind, string? advice) = means.ToUpperInvariant() switch
        {
            "ACCESS DENIED" => (ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                "The user needs to be in the host's group Hyper-V Administrators."),
            "NOT SUPPORTED" => (ErrorIds.ServerRefused, NataliaErrorKind.NotSupported, (string?)null),
            "TIMEOUT" => (ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout, "Try again when the host is less busy."),
            "INVALID STATE" or "INVALID STATE FOR THIS OPERATION" or "SYSTEM IS IN USE" or "IN USE" or "BUSY"
                or "SYSTEM IS NOT AVAILABLE" or "THE SYSTEM IS NOT READY" =>
                (ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
                "See what else works on the VM (another backup, a migration, a checkpoint), and try again."),
            _ => (ErrorIds.ServerRefused, NataliaErrorKind.InvalidOperation,
                "Look at the event log Microsoft-Windows-Hyper-V-VMMS-Admin of the host."),
        };
        return new NataliaException(id, kind,
            $"The Hyper-V host '{host}' refused {method}: {means} (code {code}).", host, advice);
    }

    private static string Trim(string message) => message.TrimEnd(' ', '.', '\r', '\n') + ".";
}
