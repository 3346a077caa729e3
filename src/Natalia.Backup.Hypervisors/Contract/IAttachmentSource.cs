using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: says which attachments a freeze of a VM would give. A hypervisor without it gives none. May be called
/// from any thread.
/// </summary>
public interface IAttachmentSource
{
    /// <summary>The attachments of a VM as it is now. Only reads.</summary>
    /// <param name="appliance">The VM.</param>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>AttachmentNotRead</c>.</exception>
    Task<IReadOnlyList<RestorePointAttachment>> FindAttachmentsAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken);
}
