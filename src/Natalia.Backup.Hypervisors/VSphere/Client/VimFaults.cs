using System.Xml.Linq;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>Turns what a server refuses into errors with ids of the product's own.</summary>
internal static class VimFaults
{
    /// <summary>A fault of a call.</summary>
    /// <param name="host">The server.</param>
    /// <param name="what">What was asked: a method's name.</param>
    /// <param name="fault">The element <c>Fault</c> of SOAP.</param>
    internal static VimFaultException OfCall(string host, string what, XElement fault)
    {
        XElement? detail = fault.Member("detail")?.Elements().FirstOrDefault();
        return Create(host, what, NameOf(detail), fault.Text("faultstring"), detail, isTask: false);
    }

    /// <summary>A fault of a task: the element <c>error</c> of its state.</summary>
    internal static VimFaultException OfTask(string host, string what, XElement? error)
    {
        XElement? detail = error.Member("fault");
        string said = error.Text("localizedMessage") ?? "it gives no reason";
        // The sentence behind the sentence is often in the details alone.
        IEnumerable<string> more = detail.Members("faultMessage").Select(m => m.Text("message")).OfType<string>()
            .Where(m => m.Length > 0 && !said.Contains(m)).Take(3);
        return Create(host, what, NameOf(detail), string.Join(" ", new[] { said }.Concat(more)), detail, isTask: true);
    }

    private static string NameOf(XElement? detail)
    {
        if (VimXml.TypeOf(detail) is { Length: > 0 } type) return type;
        string name = detail?.Name.LocalName ?? "";
        return name is "fault" ? ""
            : name.EndsWith("Fault", StringComparison.Ordinal) && name.Length > 5 ? name.Substring(0, name.Length - 5)
            : name;
    }

    private static VimFaultException Create(string host, string what, string name, string? said, XElement? detail,
        bool isTask)
    {
        string because = $"{Trim(said)}{(name.Length > 0 ? $" ({name})" : "")}";
        (string id, NataliaErrorKind kind, string message, string? advice) = name switch
        {
            "InvalidLogin" => (ErrorIds.AuthenticationFailed, NataliaErrorKind.Authentication,
                $"'{host}' does not know this user, or not with this password.",
                "Check the user, with its domain: user@vsphere.local, DOMAIN\\user; root of an ESXi host has none."),
            "NotAuthenticated" => (ErrorIds.SessionExpired, NataliaErrorKind.Authentication,
                $"The session at '{host}' has ended: {because}.", "Connect again with Connect-NataliaHypervisor."),
            "NoPermission" => (ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"'{host}' refuses {what}: the user lacks the privilege "
                + $"{detail.Text("privilegeId") ?? "for it"}{OnWhat(detail)}.",
                "Give the user the role of docs/vmware.md; Test-NataliaPrerequisite names every privilege that lacks."),
            "RestrictedVersion" => (ErrorIds.LicenseRestricted, NataliaErrorKind.PermissionDenied,
                $"The license of '{host}' forbids {what}: {because}.",
                "The free license of ESXi lets no program change anything, so that no snapshot can be taken. Give the "
                + "host a license with the vStorage APIs, or connect to the vCenter that has one."),
            "ApplicationQuiesceFault" or "FilesystemQuiesceFault" or "QuiesceDatastoreIOForHAFailed" => (
                ErrorIds.QuiesceFailed, NataliaErrorKind.InvalidOperation,
                $"The guest did not put its data in order for {what}: {because}.",
                "See the guest's VMware Tools and its scripts in /etc/vmware-tools/backupScripts.d."),
            "TaskInProgress" => (ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
                $"Another task of '{host}' holds what {what} needs: {because}.", "Try again when it is over."),
            "ConcurrentAccess" => (ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
                $"'{host}' did not carry out {what}: somebody else changed it at the same time: {because}.",
                "Try again when that is over."),
            "FileLocked" => (ErrorIds.DiskInUse, NataliaErrorKind.ResourceBusy,
                $"'{host}' did not carry out {what}, for a file is locked: {because}.",
                "Another backup, or a test VM, may have it open."),
            "ManagedObjectNotFound" => (ErrorIds.ServerRefused, NataliaErrorKind.NotFound,
                $"What {what} is for is not on '{host}' any more: {because}.", null),
            "NotSupported" or "MethodNotFound" or "NotImplemented" => (ErrorIds.ServerRefused,
                NataliaErrorKind.NotSupported, $"'{host}' has no {what}: {because}.",
                "The server may be older than this operation, or the VM does not support it."),
            "NotEnoughLicenses" or "LicenseServerUnavailable" or "NoLicenseServerConfigured" => (
                ErrorIds.LicenseRestricted, NataliaErrorKind.PermissionDenied,
                $"'{host}' has no license for {what}: {because}.", null),
            _ when isTask => (ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
                $"The task of '{host}' for {what} failed: {because}.", null),
            _ => (ErrorIds.ServerRefused, NataliaErrorKind.InvalidOperation, $"'{host}' refused {what}: {because}.",
                null),
        };
        return new VimFaultException(id, kind, message, name, detail, host, advice);
    }

    private static string OnWhat(XElement? detail) =>
        VimXml.ReferenceOf(detail.Member("object")) is VimReference o ? $" on {o.Type} {o.Value}" : "";

    private static string Trim(string? said)
    {
        string text = (said ?? "").Trim().TrimEnd('.');
        return text.Length == 0 ? "it gives no reason" : text.Length > 600 ? text.Substring(0, 600) + "…" : text;
    }
}
