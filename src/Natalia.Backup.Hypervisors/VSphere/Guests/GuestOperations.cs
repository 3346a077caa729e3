using System.Runtime.InteropServices;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Guests;

/// <summary>
/// Commands in guests through VMware Tools: no network of the guest is needed. Whoever commands logs in as a user of
/// the guest.
/// </summary>
/// <param name="machines">The inventory.</param>
internal sealed class GuestOperations(MachineFinder machines) : IGuestChannel
{
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(2);

    private readonly IVimService _vim = machines.Vim;

    public async Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        if (who?.Password is null)
            throw new NataliaException(ErrorIds.AuthenticationFailed, NataliaErrorKind.Authentication,
                "Commands in a guest of VMware run as a user of the guest, whose name and password are needed.",
                nativeId, "Name one with -GuestCredential, or keep its name with Set-NataliaAppliance.");
        VirtualMachine machine = await machines.FindAsync(nativeId, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The VM {nativeId} is not on '{machines.Location}'.", nativeId);
        VimObject managers = (await _vim.GetPropertiesAsync([_vim.Singleton("guestOperationsManager")],
            ["authManager", "fileManager", "processManager"], cancellationToken).ConfigureAwait(false))
            .FirstOrDefault() ?? throw Missing();
        long started = _vim.Clock.GetTimestamp();
        while (true)
        {
            NataliaException? refusal = await TryAsync(machine, managers, who, cancellationToken)
                .ConfigureAwait(false);
            if (refusal is null) break;
            if (_vim.Clock.GetElapsedTime(started) > timeout) throw refusal;
            await _vim.Clock.WaitAsync(s_poll, cancellationToken).ConfigureAwait(false);
        }
        if (machine.Host is VimReference host)
            await _vim.TrustHostAsync(host, cancellationToken).ConfigureAwait(false);
        return new ToolsGuest(_vim, machine, managers.ReferenceAt("fileManager") ?? throw Missing(),
            managers.ReferenceAt("processManager") ?? throw Missing(), who);
    }

    /// <summary>How a user of the guest is named to the server. Never logged: arguments are in no message.</summary>
    internal static XElement Login(GuestCredential who)
    {
        IntPtr text = Marshal.SecureStringToGlobalAllocUnicode(who.Password!);
        try
        {
            return VimXml.Typed("auth", "NamePasswordAuthentication",
                VimXml.Element("interactiveSession", false),
                VimXml.Element("username", who.UserName),
                VimXml.Element("password", Marshal.PtrToStringUni(text)));
        }
        finally
        {
            Marshal.ZeroFreeGlobalAllocUnicode(text);
        }
    }

    /// <summary>Null when the guest takes commands; else why it does not, yet.</summary>
    private async Task<NataliaException?> TryAsync(VirtualMachine machine, VimObject managers, GuestCredential who,
        CancellationToken cancellationToken)
    {
        VimObject? now = (await _vim.GetPropertiesAsync([machine.Reference],
            ["guest.guestOperationsReady", "runtime.powerState"], cancellationToken).ConfigureAwait(false))
            .FirstOrDefault();
        if (now?.Flag("guest.guestOperationsReady") != true)
            return NotReachable(machine, now?.Text("runtime.powerState") == "poweredOn"
                ? "VMware Tools (open-vm-tools) in it do not take commands yet"
                : "it does not run", null);
        try
        {
            await _vim.CallAsync(managers.ReferenceAt("authManager") ?? throw Missing(), "ValidateCredentialsInGuest",
                [VimXml.Element("vm", machine.Reference), Login(who)], cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (VimFaultException e) when (e.Is("InvalidGuestLogin", "GuestPermissionDenied"))
        {
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"The guest of '{machine.Name}' does not let '{who.UserName}' in: the name or the password is wrong.",
                machine.Name, "Check the guest credential; the user needs a shell.", e);
        }
        catch (VimFaultException e) when (e.Is("GuestOperationsUnavailable", "InvalidState", "TaskInProgress",
            "OperationNotSupportedByGuest", "GuestComponentsOutOfDate"))
        {
            return NotReachable(machine, e.Message.TrimEnd('.'), e);
        }
    }

    private static NataliaException NotReachable(VirtualMachine machine, string why, Exception? inner) =>
        new(ErrorIds.GuestNotReachable, NataliaErrorKind.Connection,
        $"The guest of '{machine.Name}' does not answer: {why}.", machine.Name,
        "See whether it boots, and whether open-vm-tools are installed and run in it.", inner);

    private NataliaException Missing() =>
        new(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
        $"'{machines.Location}' offers no guest operations.", machines.Location);
}
