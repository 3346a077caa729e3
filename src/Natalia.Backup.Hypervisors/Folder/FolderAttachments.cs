using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>Reads the attachments that a description names.</summary>
internal static class FolderAttachments
{
    /// <exception cref="NataliaException"><c>AttachmentNotRead</c>, <c>PathNotContained</c>.</exception>
    internal static async Task<IReadOnlyList<ApplianceAttachment>> ReadAsync(FolderAppliance vm,
        CancellationToken cancellationToken)
    {
        var attachments = new List<ApplianceAttachment>();
        long rest = ApplianceAttachment.MaximumBytes;
        foreach (DescribedAttachment described in vm.Attachments)
        {
            byte[] content = await ReadAsync(vm, described, rest, cancellationToken).ConfigureAwait(false);
            rest -= content.Length;
            attachments.Add(new ApplianceAttachment(described.Name, described.Kind, content));
        }
        return attachments;
    }

    private static async Task<byte[]> ReadAsync(FolderAppliance vm, DescribedAttachment described, long rest,
        CancellationToken cancellationToken)
    {
        ContainedFile file = ContainedFile.Find(vm.Folder, described.Path,
            Path.Combine(vm.Folder, DescriptionFile.FileName))
            ?? throw NotRead(vm, described, "There is no such file.");
        try
        {
            using RawDiskSource source = described.IsWrittenByVM
                ? RawDiskSource.OpenFrozen(file.Path)
                : RawDiskSource.Open(file);
            // What is that large is no firmware's state, and would have to be held in memory.
            if (source.SizeBytes > rest)
                throw NotRead(vm, described, $"It has {source.SizeBytes} bytes, and all attachments of a VM have "
                    + $"{ApplianceAttachment.MaximumBytes} at most.");
            var content = new byte[source.SizeBytes];
            await source.ReadAsync(0, content, cancellationToken).ConfigureAwait(false);
            source.VerifyUnchanged();
            return content;
        }
        catch (NataliaException e) when (e.ErrorId is ErrorIds.DiskNotFound or ErrorIds.DiskReadFailed
            or ErrorIds.DiskAccessDenied or ErrorIds.DiskInUse or ErrorIds.DiskFormatNotSupported
            or ErrorIds.DiskChangedWhileRead)
        {
            throw NotRead(vm, described, e.Message, e);
        }
    }

    private static NataliaException NotRead(FolderAppliance vm, DescribedAttachment described, string why,
        Exception? inner = null) =>
        new(ErrorIds.AttachmentNotRead, NataliaErrorKind.ReadFailed,
            $"The attachment '{described.Name}' of '{vm.Description.Name}' ('{described.Path}') cannot be read: {why}",
            vm.Description.Name, $"Correct '{Path.Combine(vm.Folder, DescriptionFile.FileName)}', or the file.", inner);
}
