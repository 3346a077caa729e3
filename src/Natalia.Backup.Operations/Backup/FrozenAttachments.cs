using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Backup;

/// <summary>
/// Takes the attachments of a frozen state along. A point without them is better than none: what cannot be read or kept
/// is told, and the disks are backed up.
/// </summary>
internal static class FrozenAttachments
{
    /// <summary>The attachments that the point gets.</summary>
    /// <param name="vm">The VM.</param>
    /// <param name="frozen">Its frozen state.</param>
    /// <param name="warnings">Takes what is left out, in full sentences.</param>
    internal static async Task<IReadOnlyList<ApplianceAttachment>> ReadAsync(ApplianceDescription vm,
        IFrozenDisks frozen, List<string> warnings, CancellationToken cancellationToken)
    {
        if (frozen is not IFrozenAttachments source) return [];
        IReadOnlyList<ApplianceAttachment> read;
        try
        {
            read = await source.ReadAttachmentsAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e)
        {
            warnings.Add($"{vm.Name}: the point has no attachments. {e.Message}");
            return [];
        }
        var kept = new List<ApplianceAttachment>();
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        long bytes = 0;
        foreach (ApplianceAttachment attachment in read)
        {
            if (!ApplianceAttachment.IsName(attachment.Name) || names.Contains(attachment.Name)
                || kept.Count == ApplianceAttachment.MaximumCount
                || bytes + attachment.Content.Length > ApplianceAttachment.MaximumBytes)
            {
                warnings.Add($"{vm.Name}: the attachment '{attachment.Name}' ({attachment.Content.Length} bytes) was "
                    + "left out: a point has at most "
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
