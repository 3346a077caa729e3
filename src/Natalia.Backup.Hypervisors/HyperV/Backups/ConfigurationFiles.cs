using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Backups;

/// <summary>
/// The files of Hyper-V's own configuration: of a checkpoint they are frozen with it. <c>.vmcx</c> is the
/// configuration, <c>.vmgs</c> what its firmware keeps, with the state of a virtual TPM. They are read where they lie.
/// </summary>
internal static class ConfigurationFiles
{
    private const string Extension = ".vmcx", StateExtension = ".vmgs";

    /// <summary>The files that are there now, and how large they are. Nothing is opened.</summary>
    /// <param name="host">The host.</param>
    /// <param name="settings">The settings of the VM or of a checkpoint.</param>
    /// <param name="hasTpm">Whether the VM has a virtual TPM.</param>
    /// <exception cref="NataliaException"><c>AttachmentNotRead</c>.</exception>
    internal static IReadOnlyList<RestorePointAttachment> Find(HyperVHost host, CimRow settings, bool hasTpm)
    {
        var found = new List<RestorePointAttachment>();
        foreach (NativeFile file in Of(settings, hasTpm))
        {
            try
            {
                var info = new FileInfo(host.Files.ToLocal(file.HostPath));
                if (info.Exists) found.Add(new RestorePointAttachment(file.Name, file.Kind, info.Length));
                else if (file.IsCertain) throw NotRead(file, "it is not there for this user.", null);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw NotRead(file, e.Message, e);
            }
        }
        return found;
    }

    /// <summary>The files of a checkpoint.</summary>
    /// <param name="host">The host.</param>
    /// <param name="settings">The settings of the checkpoint.</param>
    /// <param name="hasTpm">Whether the VM has a virtual TPM.</param>
    /// <param name="onTrouble">Told of what is left out although something else is there, in full sentences.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>AttachmentNotRead</c>: there is nothing that could be read.</exception>
    internal static async Task<IReadOnlyList<ApplianceAttachment>> ReadAsync(HyperVHost host, CimRow settings,
        bool hasTpm, Action<string> onTrouble, CancellationToken cancellationToken)
    {
        var read = new List<ApplianceAttachment>();
        var troubles = new List<NataliaException>();
        long rest = ApplianceAttachment.MaximumBytes;
        foreach (NativeFile file in Of(settings, hasTpm))
        {
            try
            {
                string local = host.Files.ToLocal(file.HostPath);
                if (!file.IsCertain && !File.Exists(local)) continue;
                byte[] content = await ReadAsync(file, local, rest, cancellationToken).ConfigureAwait(false);
                rest -= content.Length;
                read.Add(new ApplianceAttachment(file.Name, file.Kind, content));
            }
            catch (NataliaException e) when (e.ErrorId is ErrorIds.AttachmentNotRead or ErrorIds.PathNotSupported)
            {
                troubles.Add(e);
            }
        }
        if (read.Count == 0 && troubles.Count > 0) throw troubles[0];
        foreach (NataliaException trouble in troubles) onTrouble(trouble.Message);
        return read;
    }

    private static async Task<byte[]> ReadAsync(NativeFile file, string local, long most,
        CancellationToken cancellationToken)
    {
        try
        {
            using var stream = new FileStream(local, FileMode.Open, FileAccess.Read,
                FileShare.ReadWrite | FileShare.Delete, 1 << 16, useAsync: true);
            if (stream.Length > most)
                throw NotRead(file, $"it has {stream.Length} bytes, and all of a VM's attachments have "
                    + $"{ApplianceAttachment.MaximumBytes} at most.", null);
            byte[] content = new byte[stream.Length];
            int at = 0;
            while (at < content.Length)
            {
                int got = await stream.ReadAsync(content, at, content.Length - at, cancellationToken)
                    .ConfigureAwait(false);
                if (got == 0) throw NotRead(file, "it became shorter while it was read.", null);
                at += got;
            }
            return content;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw NotRead(file, e.Message, e);
        }
    }

    /// <summary>Where the files are, as the host has them.</summary>
    private static IEnumerable<NativeFile> Of(CimRow settings, bool hasTpm)
    {
        string? root = settings.Text("ConfigurationDataRoot");
        string? path = Join(root, settings.Text("ConfigurationFile"));
        AttachmentKind kind = hasTpm ? AttachmentKind.TpmState : AttachmentKind.UefiVariables;
        if (path?.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) == true)
            yield return new NativeFile("configuration" + Extension, AttachmentKind.Other, path, IsCertain: true);
        if (Join(settings.Text("GuestStateDataRoot") ?? root, settings.Text("GuestStateFile")) is string state)
            yield return new NativeFile("guest-state" + StateExtension, kind, state, IsCertain: true);
        // Older hosts do not say it, and a VM of generation 1 has none.
        else if (path?.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) == true)
            yield return new NativeFile("guest-state" + StateExtension, kind,
                path.Substring(0, path.Length - Extension.Length) + StateExtension, IsCertain: false);
    }

    private static string? Join(string? root, string? file) => string.IsNullOrEmpty(file) ? null
        : file!.StartsWith("\\\\", StringComparison.Ordinal) || (file.Length > 1 && file[1] == ':') ? file
        : string.IsNullOrEmpty(root) ? null : root!.TrimEnd('\\') + "\\" + file;

    private static NataliaException NotRead(NativeFile file, string why, Exception? inner) =>
        new(ErrorIds.AttachmentNotRead, NataliaErrorKind.ReadFailed,
        $"The file '{file.HostPath}' of the VM's configuration cannot be read: {why}", file.HostPath,
        "Give this user the right to the host's administrative share, or run this on the host (-Transport Local). The "
        + "VM's settings are kept with the point in any case.", inner);

    private sealed record NativeFile(string Name, AttachmentKind Kind, string HostPath, bool IsCertain);
}
