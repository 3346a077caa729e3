using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Configurations;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Backup;

/// <summary>
/// Takes the attachments of a frozen state along. A point without them is better than none: it says what could not be
/// read or kept, and the disks are backed up.
/// </summary>
internal static class FrozenAttachments
{
    /// <summary>The attachments that the point gets.</summary>
    /// <param name="vm">The VM.</param>
    /// <param name="frozen">Its frozen state.</param>
    /// <param name="remarks">Takes what the point says of what it lacks, in full sentences.</param>
    internal static async Task<IReadOnlyList<ApplianceAttachment>> ReadAsync(ApplianceDescription vm,
        IFrozenDisks frozen, List<string> remarks, CancellationToken cancellationToken)
    {
        IReadOnlyList<ApplianceAttachment> read;
        try
        {
            read = frozen is IFrozenAttachments source
                ? await source.ReadAttachmentsAsync(cancellationToken).ConfigureAwait(false)
                : [];
        }
        catch (NataliaException e)
        {
            remarks.Add($"The point has no attachments. {e.Message.TrimEnd('.')}.");
            return [];
        }
        // Some hypervisors keep the variables in one file with the state of a TPM.
        bool hasState = read.Any(a => a.Kind is AttachmentKind.UefiVariables or AttachmentKind.TpmState);
        if (!hasState && ConfiguredFirmware.IsUefi(vm) == true)
            remarks.Add("The VM starts by UEFI, and its hypervisor gave no variables of its firmware: a restored VM "
                + "begins with fresh ones.");
        var kept = new List<ApplianceAttachment>();
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        long bytes = 0;
        foreach (ApplianceAttachment attachment in read)
        {
            if (!ApplianceAttachment.IsName(attachment.Name) || names.Contains(attachment.Name)
                || kept.Count == ApplianceAttachment.MaximumCount
                || bytes + attachment.Content.Length > ApplianceAttachment.MaximumBytes)
            {
                remarks.Add($"The attachment '{attachment.Name}' ({attachment.Content.Length} bytes) was left out: a "
                    + "point has at most "
                    + $"{ApplianceAttachment.MaximumCount} with {ApplianceAttachment.MaximumBytes >> 20} MiB together, "
                    + "each with the name of a file.");
                continue;
            }
            names.Add(attachment.Name);
            bytes += attachment.Content.Length;
            kept.Add(attachment);
        }
        return kept;
    }
}
