using System.Net;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Reading;

namespace Natalia.Backup.Hypervisors.VSphere.Backups;

/// <summary>
/// The variables of a VM's UEFI firmware: its file <c>.nvram</c>, read from the datastore. It is no part of a snapshot,
/// and changes hardly ever.
/// </summary>
internal static class FirmwareFile
{
    internal const string Name = "vmware.nvram";

    /// <summary>Far more than any file of the kind has.</summary>
    private const int MaximumBytes = 4 << 20;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    /// <summary>Where it lies; null for a VM without UEFI, or where the server does not say.</summary>
    internal static string? PathOf(VirtualMachine machine) =>
        machine.Firmware == "efi" ? machine.Files("nvram").FirstOrDefault() : null;

    /// <exception cref="NataliaException"><c>AttachmentNotRead</c>.</exception>
    internal static async Task<IReadOnlyList<ApplianceAttachment>> ReadAsync(MachineFinder machines,
        VirtualMachine machine, CancellationToken cancellationToken)
    {
        if (PathOf(machine) is not string path) return [];
        string? why;
        Exception? inner = null;
        using Deadline limit = machines.Vim.Clock.CreateDeadline(s_limit, cancellationToken);
        try
        {
            Uri address = await AddressOfAsync(machines, machine, path, limit.Token).ConfigureAwait(false);
            using HttpResponseMessage response = await machines.Vim.SendAsync(
                () => new HttpRequestMessage(HttpMethod.Get, address), limit.Token).ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.OK)
                return
                [
                    new ApplianceAttachment(Name, AttachmentKind.UefiVariables,
                        await VimEnvelope.ReadBoundedAsync(response.Content, machines.Location, MaximumBytes,
                            limit.Token).ConfigureAwait(false)),
                ];
            why = $"the server answers with status {(int)response.StatusCode}";
        }
        catch (NataliaException e)
        {
            (why, inner) = (e.Message, e);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            (why, inner) = ("the connection broke off", e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            (why, inner) = ($"the server did not give it within {s_limit.TotalMinutes:0} minutes", e);
        }
        throw new NataliaException(ErrorIds.AttachmentNotRead, NataliaErrorKind.ReadFailed,
            $"The variables of the firmware of '{machine.Name}' ({path}) could not be read: {why.TrimEnd('.')}.",
            machine.Name, "A restored VM starts with those of a new one.", inner);
    }

    private static async Task<Uri> AddressOfAsync(MachineFinder machines, VirtualMachine machine, string path,
        CancellationToken cancellationToken)
    {
        var file = DatastorePath.Parse(path);
        string? center = await machines.DatacenterPathAsync(machine.Parent ?? machine.Host,
            cancellationToken).ConfigureAwait(false);
        return file.AddressAt(machines.Vim.BaseUri, center);
    }
}
