using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// Replaces an image in a VM's folder: the new one is written under a name of its own and takes the old one's place in
/// one rename.
/// </summary>
/// <param name="find">Finds the VM in the directory as it is now.</param>
/// <param name="clock">For waiting only.</param>
internal sealed class FolderDiskReplacer(
    Func<ApplianceDescription, CancellationToken, Task<FolderAppliance>> find, TimeProvider clock) : IDiskReplacer
{
    public async Task<ApplianceDescription> ReplaceDiskAsync(ApplianceDescription appliance, string diskId,
        long sizeBytes, Func<IDiskTarget, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        FolderImage image = await FindAsync(appliance, diskId, cancellationToken).ConfigureAwait(false);
        RefuseUsed(appliance, image);
        // What a killed process has left is as large as the disk.
        string name = PartialFiles.NameFor(image.File.Path);
        await PartialFiles.RemoveStaleAsync(Path.GetDirectoryName(image.File.Path)!, n => n == name, clock,
            cancellationToken).ConfigureAwait(false);
        var raw = new RawDiskTarget(image.File.Path, overwrite: true) { KeepsRights = true };
        using (var target = new Target(raw, sizeBytes, () => RefuseUsed(appliance, image)))
            await write(target, cancellationToken).ConfigureAwait(false);
        FolderAppliance now = await find(appliance, cancellationToken).ConfigureAwait(false);
        if (now.Description.Disks.FirstOrDefault(d => d.DiskId == diskId)?.SizeBytes != sizeBytes)
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The disk '{diskId}' of '{appliance.Name}' is not as it was written.", appliance.Name,
                "Check the disk or share.");
        return now.Description;
    }

    private async Task<FolderImage> FindAsync(ApplianceDescription appliance, string diskId,
        CancellationToken cancellationToken)
    {
        FolderAppliance vm = await find(appliance, cancellationToken).ConfigureAwait(false);
        FolderImage image = vm.Images.FirstOrDefault(i => i.DiskId == diskId)
            ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                $"The appliance '{appliance.Name}' has no disk '{diskId}'.", appliance.Name,
                Offer.Of(vm.Images.Select(i => i.DiskId)));
        return image is { Format: ImageFormat.Raw, Member: null }
            ? image
            : throw new NataliaException(ErrorIds.DiskFormatNotSupported, NataliaErrorKind.NotSupported,
                $"The disk '{diskId}' of '{appliance.Name}' is the {image.Format.ToString().ToUpperInvariant()} image "
                + $"'{image.File}', and only a raw one can be replaced in a folder.",
                image.File.Path, "Convert it to a raw image first: qemu-img convert -O raw.");
    }

    /// <summary>Whoever runs the VM has its image open.</summary>
    private static void RefuseUsed(ApplianceDescription appliance, FolderImage image)
    {
        try
        {
            RawDiskSource.Open(image.File).Dispose();
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.DiskInUse)
        {
            throw new NataliaException(ErrorIds.ApplianceRunning, NataliaErrorKind.InvalidOperation,
                $"The image '{image.File}' of '{appliance.Name}' is in use, so the VM is not switched off.",
                appliance.Name, "Switch it off first.", e);
        }
    }

    /// <summary>Looks once more before the old image goes: the writing may have taken hours.</summary>
    private sealed class Target(RawDiskTarget inner, long sizeBytes, Action refuseUsed) : IDiskTarget
    {
        public bool AcceptsAnyOrder => inner.AcceptsAnyOrder;

        public Task BeginAsync(long size, CancellationToken cancellationToken) => size == sizeBytes
            ? inner.BeginAsync(size, cancellationToken)
            : throw new ArgumentException("It is another size than was said.", nameof(size));

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
            inner.WriteAsync(offset, bytes, cancellationToken);

        public Task CompleteAsync(CancellationToken cancellationToken)
        {
            refuseUsed();
            return inner.CompleteAsync(cancellationToken);
        }

        public void Dispose() => inner.Dispose();
    }
}
