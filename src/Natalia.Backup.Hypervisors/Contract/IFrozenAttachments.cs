using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// What <see cref="IFrozenDisks"/> may be as well: a state that has attachments, such as the variables of UEFI
/// firmware. A hypervisor without any leaves it out.
/// </summary>
public interface IFrozenAttachments
{
    /// <summary>The attachments of the frozen state, within the bounds of <see cref="ApplianceAttachment"/>. Read
    /// before it is sealed.</summary>
    /// <exception cref="NataliaException"><c>AttachmentNotRead</c>: the disks can be backed up all the
    /// same.</exception>
    Task<IReadOnlyList<ApplianceAttachment>> ReadAttachmentsAsync(CancellationToken cancellationToken);
}
